"""Running the refinements of an effort, and measuring what each of them is good for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.calibration.effort import Effort
from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.partial import Trial
from edgeguard.export.request import Reporter
from edgeguard.extras import require
from edgeguard.manifest import RefinementFacts

__all__ = ["IMAGES", "refined", "sqnr_of"]

Array = np.ndarray[Any, Any]

# Calibration inputs that refinements work on: more make them slower, and their means hardly more certain.
IMAGES = 128
_LEAST = 1e-30
_MOST = 200.0


def refined(
    draft: Draft, effort: Effort, trial: Trial, reporter: Reporter
) -> tuple[Draft, tuple[RefinementFacts, ...]]:
    """The draft after the refinements of an effort, and what each did.

    Where an effort measures, a refinement after which the logits are no nearer to the float network's is left out.

    :param trial: inputs of the calibration set, to work and to measure on.
    """
    # Torch comes with them, and is not needed for more than them where a network came as ONNX.
    if not effort.refinements:
        return draft, ()
    require("torch", "export")
    from edgeguard.export.refining.registry import REFINERS

    names = [name for name in effort.refinements if name in REFINERS]
    facts = []
    before = sqnr_of(draft, trial) if effort.measured and names else None
    for name in names:
        reporter.step(f"refining: {name}")
        better = REFINERS[name].refine(draft, trial)
        after = sqnr_of(better, trial) if effort.measured else None
        kept = before is None or after is None or after > before
        facts.append(RefinementFacts(name, before, after, kept))
        if kept:
            draft, before = better, after
    return draft, tuple(facts)


def sqnr_of(draft: Draft, trial: Trial) -> float:
    """How far the logits stand above the noise of quantization, in dB, between -200 and 200."""
    signal = noise = _LEAST
    for exact, rounded in zip(_logits(draft.network, trial), _logits(draft.quantized, trial), strict=True):
        signal += float(np.square(exact, dtype=np.float64).sum())
        noise += float(np.square(exact.astype(np.float64) - rounded).sum())
    return float(np.clip(10 * math.log10(signal / noise), -_MOST, _MOST))


def _logits(network: ModelProto, trial: Trial) -> Iterator[Array]:
    return (values[0] for values in trial.values(network, (network.graph.output[0].name,)))
