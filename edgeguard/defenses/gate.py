"""Gates: which queries are answered as if another class had been the most likely one.

One stage, shared by all responses. A query whose score lies below the threshold is *gated*: in-distribution inputs
seldom are, the queries of a thief often. The scores::

    max-logit              m = max z, in steps of the logits' grid: an integer comparison
    per-class-max-logit    m against a threshold for each most likely class
    max-probability        max p (the gate of DCP and of Adaptive Misinformation)
    energy                 log sum exp z = max z - log max p (Liu et al., NeurIPS 2020)

Which wrong class a gated query gets depends on key and input: the *cell* of the query is the one of several directions
that its logits lie farthest along, in integers below 2^24 that every backend computes alike, and a table holds the
wrong class, and the level it is answered with, for each (most likely class, cell). Directions point away from classes,
turned a little by the key, so that a query gets a class that it is far from: a clone that took a cat for a dog is wrong
about cats, one that took it for a ship is wrong about what animals and ships look like. Offsets and tables are fitted
so that gated answers are distributed as the honest ones are. A cell is a convex region: an input moved a little stays
in it, so that a gated query cannot be told by asking again with a little noise. Own design.
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
    """Regions of logits: a query belongs to the direction that it lies farthest along, of equal ones to the first.

    :param directions: integers, for each cell one of each class.
    :param offsets: integers, what each cell is held back by: ``steps @ direction - offset`` is compared.
    """

    directions: tuple[tuple[int, ...], ...]
    offsets: tuple[int, ...]

    def __len__(self) -> int:
        """How many cells there are."""
        return len(self.directions)

    @cached_property
    def weights(self) -> Array:
        """Float32 ``[classes, cells]``: the largest of ``steps @ weights + bias`` stands at the query's cell."""
        return np.ascontiguousarray(np.array(self.directions, np.float32).T)

    @cached_property
    def bias(self) -> Array:
        """Float32 ``[cells]``."""
        return -np.array(self.offsets, np.float32)

    @property
    def bound(self) -> int:
        """No entry of ``steps @ weights + bias`` is larger in magnitude."""
        return int((128 * np.abs(self.weights).sum(axis=0) + np.abs(self.bias)).max())

    def of(self, steps: Array) -> Array:
        """The cells of logits in steps of the grid, int64 ``[n]`` from ``[n, classes]``."""
        cells: Array = (steps.astype(np.float32) @ self.weights + self.bias).argmax(axis=-1)
        return cells


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
        sizes = {len(row) for row in self.cells.directions}
        if (
            table.shape != (classes, len(self.cells))
            or sizes != {classes}
            or len(self.cells.offsets) != len(self.cells)
        ):
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
