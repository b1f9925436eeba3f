"""Running the refinements of an effort, and measuring what each of them is good for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.calibration.effort import Effort
from edgeguard.export.fidelity import Compared, Fidelity
from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.partial import Trial
from edgeguard.export.refining.registry import REFINERS, refiner
from edgeguard.export.request import Reporter
from edgeguard.manifest import RefinementFacts

__all__ = ["IMAGES", "fidelity_of", "refined"]

Array = np.ndarray[Any, Any]

# Calibration inputs that refinements work on: more make them slower, and their means hardly more certain.
IMAGES = 256


def refined(
    draft: Draft, effort: Effort, trial: Trial, reporter: Reporter
) -> tuple[Draft, tuple[RefinementFacts, ...]]:
    """The draft after the refinements of an effort, and what each did.

    Where an effort measures, a refinement after which the logits are no nearer to the float network's is left out.

    :param trial: inputs of the calibration set, to work and to measure on.
    """
    names = [name for name in effort.refinements if name in REFINERS]
    facts = []
    before = fidelity_of(draft, trial) if effort.measured and names else None
    for name in names:
        reporter.step(f"refining: {name}")
        better = refiner(name).refine(draft, trial)
        after = fidelity_of(better, trial) if effort.measured else None
        kept = before is None or after is None or after.mse < before.mse
        facts.append(RefinementFacts(name, _decibels(before), _decibels(after), kept))
        if kept:
            draft, before = better, after
    return draft, tuple(facts)


def fidelity_of(draft: Draft, trial: Trial) -> Fidelity:
    """How near its logits are to those of the float network."""
    compared = Compared()
    for exact, rounded in zip(_logits(draft.network, trial), _logits(draft.quantized, trial), strict=True):
        compared.add(exact, rounded)
    return compared.found


def _decibels(found: Fidelity | None) -> float | None:
    return None if found is None else found.sqnr_db


def _logits(network: ModelProto, trial: Trial) -> Iterator[Array]:
    return (values[0] for values in trial.values(network, (network.graph.output[0].name,)))
