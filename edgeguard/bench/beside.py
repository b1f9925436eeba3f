"""Two artifacts in one measurement, as of one network in two formats: their variants take turns with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgeguard.artifact import Artifact
from edgeguard.bench.variants import CONTROL, END_TO_END, FLOAT, INT8, Variants
from edgeguard.errors import UsageError

__all__ = ["BESIDE", "put_beside", "questions_beside", "refuse_unlike"]

# What the names of the other artifact's variants begin with.
BESIDE = "beside-"
_DEPLOYED = ("defended", "deployed")


def refuse_unlike(artifact: Artifact, other: Artifact) -> None:
    """Two artifacts whose runs do different work are not put side by side.

    The order of the axes may differ, as it does between formats.

    :raises UsageError: their inputs or classes are of other sizes, or a run takes another number of inputs.
    """
    (first, second) = (
        (np.sort(each.manifest.model.input_shape).tolist(), each.manifest.model.batch or 1, each.manifest.classes)
        for each in (artifact, other)
    )
    for what, mine, its in zip(("inputs", "batches", "classes"), first, second, strict=True):
        if mine != its:
            raise UsageError(
                f"its {what} differ from those of {artifact.path.name}: {its} and {mine}",
                where=str(other.path),
                fix="Put artifacts of one network side by side",
            )


def put_beside(variants: Variants, other: Variants) -> Variants:
    """Both together. One control is enough: it tells what this machine does to equal things."""
    timed = [replace(each, name=f"{BESIDE}{each.name}") for each in other.timed if each.name != CONTROL]
    subjects = [replace(each, name=f"{BESIDE}{each.name}") for each in other.subjects if each.name != CONTROL]
    skipped = [replace(each, name=f"{BESIDE}{each.name}") for each in other.skipped]
    return Variants((*variants.timed, *timed), (*variants.skipped, *skipped), (*variants.subjects, *subjects))


def questions_beside(present: Sequence[str]) -> list[tuple[str, str]]:
    """Which variants are divided by which: each of the other artifact's by its like, and the cost of its defense."""
    own, its = (
        next((f"{prefix}{name}" for name in _DEPLOYED if f"{prefix}{name}" in present), "") for prefix in ("", BESIDE)
    )
    wanted = [(f"{BESIDE}{name}", name) for name in (FLOAT, INT8, END_TO_END)]
    wanted += [(its, own), (its, f"{BESIDE}{INT8}")]
    return [pair for pair in wanted if set(pair) <= set(present)]
