"""Decisions of a table response: which row answers a query.

Two ways to the same row. In general: the most likely class, the level of the largest logit, the gate, the cell, each by
its own operators. For integer logits of few classes all of it is one matrix product and one argmax, which costs three
operators less: with steps q and thresholds T_1 < T_2 < ..., the functions v_g(q) = 2 (g + 1) q - sum_{k<=g} (2 T_k - 1)
have v_g as their largest exactly for T_g <= q < T_{g+1}, and that largest grows with q. So the argmax over all
(g, class) names the level and the class at once, the first of equal ones as argmax does. A gate is one more level below
the others; its columns are split by cell, the cell's value added below the size of a step. All numbers are integers
below 2^24, exact in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from edgeguard.defenses.gate import Gate
from edgeguard.defenses.head import Head, Query
from edgeguard.defenses.rows import Levels, Rows

__all__ = ["Columns", "columns_for", "row_of"]

T = TypeVar("T")
Array = np.ndarray[Any, Any]

# Beyond this the product costs more than the operators that it saves.
_MOST_COLUMNS = 512
_EXACT = 1 << 24


@dataclass(frozen=True, eq=False)
class Columns:
    """The matrix product that decides.

    :param weights: float32 ``[classes, columns]``.
    :param bias: float32 ``[columns]``.
    :param answers: float32 ``[columns, classes]``: what is answered if a column is the largest.
    :param as_held: whether they are for the integers of the head, which saves a subtraction, or for steps.
    """

    weights: Array
    bias: Array
    answers: Array
    as_held: bool

    def answer(self, query: Query[T]) -> T:
        """The answer, float ``[batch, classes]``."""
        ops = query.ops
        logits = query.held if self.as_held else query.steps
        return ops.take_at_top(self.answers, logits, self.weights, self.bias)


def columns_for(head: Head, levels: Levels, gate: Gate | None, rows: Rows) -> Columns | None:
    """The product, or ``None`` where the general way is the cheaper or the only one."""
    if head.grid is None or (gate is None and len(levels) == 1) or (gate and gate.score != "max-logit"):
        return None
    classes = head.classes
    count = classes * (len(levels) + (0 if gate is None else len(gate.cells)))
    if count > _MOST_COLUMNS:
        return None
    matrix = rows.matrix
    thresholds = list(levels.starts[1:])
    if gate is not None:
        # Levels that end below the gate are never answered honestly: their columns would have no place.
        thresholds = [gate.step, *(start for start in thresholds if start > gate.step)]
        matrix = matrix[(len(levels) - len(thresholds)) * classes :]
    steps = [_column(group, thresholds) for group in range(len(thresholds) + 1)]
    unit = 1 if gate is None else gate.cells.bound * 2 + 1
    honest = steps if gate is None else steps[1:]
    weights = [slope * unit * np.eye(classes) for slope, _ in honest]
    bias = [np.full(classes, shift * unit) for _, shift in honest]
    if gate is not None:
        slope, shift = steps[0]
        own = np.repeat(np.eye(classes) * slope * unit, len(gate.cells), axis=1)
        weights.append(own + np.tile(gate.cells.weights, (1, classes)))
        bias.append(np.tile(gate.cells.bias, classes) + shift * unit)
        matrix = np.concatenate([matrix, rows.matrix[gate.table.reshape(-1)]])
    product, offset = np.concatenate(weights, axis=1), np.concatenate(bias)
    moved = offset - head.centre * product.sum(axis=0)
    as_held = _is_exact(product, moved, 128 + head.centre)
    if not as_held and not _is_exact(product, offset, 128):
        return None
    return Columns(product.astype(np.float32), (moved if as_held else offset).astype(np.float32), matrix, as_held)


def row_of(query: Query[T], levels: Levels, gate: Gate | None) -> T:
    """The row that answers a query, an index: ``level * classes + class``."""
    ops = query.ops
    honest = query.top
    if len(levels) > 1:
        honest = ops.add(query.at_peak(_first_rows(levels, query.head.classes)), honest)
    return honest if gate is None else ops.where(gate.closes(query), gate.drawn(query, gate.table), honest)


def _is_exact(product: Array, offset: Array, most: int) -> bool:
    """Whether no number on the way is too large for a float32, for inputs of up to ``most`` in magnitude."""
    return bool((most * np.abs(product).sum(axis=0) + np.abs(offset)).max() < _EXACT)


@lru_cache(maxsize=64)
def _first_rows(levels: Levels, classes: int) -> Array:
    """The first row of the level that each step of the grid, from -128 on, belongs to."""
    return levels.by_step() * classes


def _column(group: int, thresholds: list[int]) -> tuple[int, int]:
    """Slope and shift of v_g."""
    return 2 * (group + 1), -sum(2 * threshold - 1 for threshold in thresholds[:group])
