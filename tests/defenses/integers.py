"""Queries of integer logits, and the row that answers each, worked out one by one in Python's integers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgeguard.defenses.gate import Cells, Gate
from edgeguard.defenses.head import Head, Query
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.rows import Levels, Rows, least_confidence
from tests.defenses.fitted import gate

Array = np.ndarray[Any, Any]


def head(classes: int, dtype: str = "int8") -> Head:
    """An integer head whose steps are its values, less 128 if they are unsigned."""
    if dtype == "uint8":
        return Head("logits", classes, "uint8", 0.1, 100)
    return Head("logits", classes, "int8", 0.1, -28)


def query(steps: Array, dtype: str = "int8") -> Query[Array]:
    """Integer logits ``[n, classes]``, given in steps of the grid, -128 ... 127."""
    shift = 128 if dtype == "uint8" else 0
    return Query(NumpyOps(), head(steps.shape[1], dtype), (steps + shift).astype(dtype))


def steps_of(classes: int, rng: np.random.Generator, count: int = 64) -> Array:
    """Steps of every kind: spread out, tied, near each other, and at both ends of the grid."""
    low = rng.integers(-128, 127)
    parts = [
        rng.integers(-128, 128, (count, classes)),
        rng.integers(low, min(low + 3, 128), (count, classes)),
        rng.choice([-128, 127], (count, classes)),
        np.repeat(rng.integers(-128, 128, (count, 1)), classes, axis=1),
    ]
    return np.concatenate(parts)


def levels(count: int, rng: np.random.Generator) -> Levels:
    """Random levels; the first may begin anywhere below the second, as all below belongs to it."""
    starts = sorted(rng.choice(np.arange(-128, 128), count, replace=False).tolist())
    return Levels(tuple(starts), tuple(rng.uniform(0.5, 1, count).tolist()))


def rows(found: Levels, classes: int) -> Rows:
    """Rows that all differ."""
    least = least_confidence(classes)
    return Rows(classes, np.linspace(least, 1, len(found)), np.zeros(len(found)), None)


def max_logit_gate(classes: int, count: int, rng: np.random.Generator, *, cells: int = 24) -> Gate:
    """A gate at a random step that answers with rows of random levels."""
    made = gate("max-logit", classes, count, int(rng.integers(1 << 30)), float(rng.integers(-128, 129)))
    regions = replace(made.cells, directions=made.cells.directions[:cells], offsets=made.cells.offsets[:cells])
    return replace(made, cells=regions, draws=tuple(row[:cells] for row in made.draws))


def cell_by_hand(regions: Cells, row: Array) -> int:
    """The first of the directions that a query lies farthest along."""
    along = [
        sum(weight * int(q) for weight, q in zip(direction, row, strict=True)) - offset
        for direction, offset in zip(regions.directions, regions.offsets, strict=True)
    ]
    return along.index(max(along))


def row_by_hand(row: Array, found: Levels, closed: Gate | None) -> int:
    """The row that answers one query, given in steps."""
    values = [int(value) for value in row]
    peak = max(values)
    top = values.index(peak)
    if closed is not None:
        threshold = closed.thresholds[top] if closed.thresholds else closed.step
        if peak < threshold:
            return closed.draws[top][cell_by_hand(closed.cells, row)]
    level = sum(peak >= start for start in found.starts[1:])
    return level * len(values) + top
