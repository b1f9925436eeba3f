"""The refinements there are. A new one is a file beside this one, a line here, and its name in
:mod:`edgeguard.calibration.effort`."""

from __future__ import annotations

from edgeguard.export.refining.adaround import AdaRound
from edgeguard.export.refining.bias import FastBias, FullBias
from edgeguard.export.refining.clip import ClipWeights
from edgeguard.export.refining.draft import Refinement
from edgeguard.export.refining.gptq import Gptq
from edgeguard.export.refining.ranges import SearchRanges

__all__ = ["REFINERS"]

# Equalization is none of them: it changes the float network, before ranges are taken.
REFINERS: dict[str, Refinement] = {
    each.name: each for each in (ClipWeights(), SearchRanges(), FastBias(), FullBias(), Gptq(), AdaRound())
}
