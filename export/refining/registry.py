"""The refinements there are. A new one is a file beside this one, a line here, and its name in
:mod:`edgeguard.calibration.effort`."""

from __future__ import annotations

import importlib

from edgeguard.export.refining.draft import Refinement

__all__ = ["REFINERS", "refiner"]

_HERE = "edgeguard.export.refining"
# Modules and classes: one of them loads torch, which takes longer than all that the others do for a small network.
# Equalization is none of them: it changes the float network, before ranges are taken.
REFINERS: dict[str, tuple[str, str]] = {
    "clip-weights": ("clip", "ClipWeights"),
    "search-ranges": ("ranges", "SearchRanges"),
    "fast-bias": ("bias", "FastBias"),
    "bias": ("bias", "FullBias"),
    "gptq": ("gptq", "Gptq"),
    "adaround": ("adaround", "AdaRound"),
}


def refiner(name: str) -> Refinement:
    """The refinement of this name, which must be one of :data:`REFINERS`."""
    module, kind = REFINERS[name]
    made: Refinement = getattr(importlib.import_module(f"{_HERE}.{module}"), kind)()
    return made
