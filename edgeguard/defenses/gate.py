"""Gates: which queries are answered as if another class had been the most likely one.

One stage, shared by all responses. A query whose score lies below the threshold is *gated*: in-distribution inputs
seldom are, the queries of a thief often. The scores::

    max-logit              m = max z, in steps of the logits' grid: an integer comparison
    per-class-max-logit    m against a threshold for each most likely class
    max-probability        max p (the gate of DCP and of Adaptive Misinformation)
    energy                 log sum exp z = max z - log max p (Liu et al., NeurIPS 2020)

Which wrong class a gated query gets depends on key and input: the *cell* of the query is the sign pattern of b keyed
contrasts of its logits, in integers below 2^24 that every backend computes alike, and a keyed table holds the wrong
class, and the level it is answered with, for each (most likely class, cell). The tables are drawn so that gated answers
are distributed as the honest ones are. A cell is a region: an input moved a little stays in it, so that a gated query
cannot be told by asking again with a little noise. Own design.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from edgeguard.defenses.head import Query
from edgeguard.errors import UsageError

__all__ = ["SCORES", "Cells", "Gate", "Score"]

T = TypeVar("T")
Array = np.ndarray[Any, Any]

Score = Literal["max-logit", "per-class-max-logit", "max-probability", "energy"]
SCORES: tuple[str, ...] = get_args(Score)


@dataclass(frozen=True)
class Cells:
    """Regions of logits, told apart by the signs of keyed contrasts.

    :param contrasts: b rows of -1, 0 and 1, one entry for each class; each row sums to 0.
    :param offsets: what each contrast is compared with, in steps of the grid.
    """

    contrasts: tuple[tuple[int, ...], ...]
    offsets: tuple[int, ...]

    def __len__(self) -> int:
        """How many cells there are."""
        return 1 << len(self.contrasts)

    @cached_property
    def weights(self) -> Array:
        """Float32 ``[classes, cells]``: column s adds each contrast with the sign that pattern s gives it."""
        return (np.array(self.contrasts, np.float32).T @ self._signs).astype(np.float32)

    @cached_property
    def bias(self) -> Array:
        """Float32 ``[cells]``: the largest of ``steps @ weights + bias`` stands at the query's own pattern."""
        return (-np.array(self.offsets, np.float32) @ self._signs).astype(np.float32)

    @property
    def bound(self) -> int:
        """No entry of ``steps @ weights + bias`` is larger in magnitude."""
        return int(128 * np.abs(self.weights).sum(axis=0).max() + np.abs(self.bias).max())

    def of(self, steps: Array) -> Array:
        """The cells of logits in steps of the grid, int64 ``[n]`` from ``[n, classes]``."""
        cells: Array = (steps.astype(np.float32) @ self.weights + self.bias).argmax(axis=-1)
        return cells

    @property
    def _signs(self) -> Array:
        bits = np.arange(len(self))[None, :] >> np.arange(len(self.contrasts))[:, None] & 1
        return (2 * bits - 1).astype(np.float32)


@dataclass(frozen=True)
class Gate:
    """A fitted gate.

    :param score: see above.
    :param threshold: a query is gated if its score lies below; steps of the grid for a max-logit.
    :param thresholds: one for each class; only for ``per-class-max-logit``.
    :param draws: for each class as the most likely one and each cell the row that answers: ``level * classes + wrong``.
    """

    score: Score
    threshold: float
    cells: Cells
    draws: tuple[tuple[int, ...], ...]
    thresholds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse gates that cannot be.

        :raises UsageError: naming what is wrong.
        """
        if self.score not in SCORES:
            raise UsageError(f"there is no gate {self.score!r}", fix=f"Choose one of: none, {', '.join(SCORES)}")
        classes = len(self.draws)
        table = np.array(self.draws)
        if table.shape != (classes, len(self.cells)) or any(len(row) != classes for row in self.cells.contrasts):
            raise UsageError("the gate's table fits neither its cells nor its classes", fix="Export again")
        if ((table % classes) == np.arange(classes)[:, None]).any() or table.min() < 0:
            raise UsageError("the gate's table answers a gated query with its own class", fix="Export again")
        if (self.score == "per-class-max-logit") != (len(self.thresholds) == classes):
            raise UsageError("the gate's thresholds do not fit its classes", fix="Export again")

    @property
    def step(self) -> int:
        """The threshold of ``max-logit``: the first step of the grid that is not gated."""
        return int(self.threshold)

    def closes(self, query: Query[T]) -> T:
        """Whether a query is gated, bool ``[batch]``."""
        ops = query.ops
        if self.score == "max-logit":
            return query.peak_below(self.step)
        if self.score == "per-class-max-logit":
            return query.peak_below_own(self.thresholds)
        likeliest = ops.row_max(query.posterior)
        if self.score == "max-probability":
            return ops.below(likeliest, self.threshold)
        return ops.below(ops.sub(ops.row_max(query.logits), ops.log(likeliest)), self.threshold)

    def drawn(self, query: Query[T], values: Array) -> T:
        """What a table of ``[classes, cells]`` holds for a query, an index."""
        ops = query.ops
        cell = ops.arg_max(ops.affine(query.steps, self.cells.weights, self.cells.bias))
        start = ops.take(self._starts, query.top)
        return ops.take(values.reshape(-1), ops.add(start, cell))

    @cached_property
    def _starts(self) -> Array:
        """Where the cells of each most likely class begin in the table."""
        return np.arange(len(self.draws)) * len(self.cells)

    @cached_property
    def table(self) -> Array:
        """The draws, int64 ``[classes, cells]``."""
        return np.array(self.draws, np.int64)
