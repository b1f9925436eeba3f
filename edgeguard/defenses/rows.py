"""Tables of answers: one row for each level of confidence and most likely class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.errors import UsageError

__all__ = ["GRID_STEP", "ONE_LEVEL", "Levels", "Rows", "least_confidence"]

Array = np.ndarray[Any, Any]

# The coarsest grid that answers are ever put on: TFLite's int8 softmax has steps of 1/256.
GRID_STEP = 1 / 256
# The row's largest entry stands at least this far above the others, so that rounding to the grid keeps it.
_LEAD = 2 * GRID_STEP


def least_confidence(classes: int) -> float:
    """The least largest entry of a row whose rest is spread evenly, with its lead of two grid steps.

    From a = (1 - a) / (K - 1) + lead.
    """
    return (1 + (classes - 1) * _LEAD) / classes


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels of confidence by the largest logit.

    :param starts: the step of the grid, -128 ... 127, at which each level begins, ascending; all below belongs to the
        first.
    :param confidences: the largest entry of each level's rows.
    """

    starts: tuple[int, ...]
    confidences: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse levels that cannot be.

        :raises UsageError: naming what is wrong.
        """
        if not self.starts or len(self.starts) != len(self.confidences):
            raise UsageError(
                "the levels of confidence were never fitted", fix="Pass --validation, with labels if possible"
            )
        if list(self.starts) != sorted(set(self.starts)) or not -128 <= self.starts[0] <= self.starts[-1] <= 127:
            raise UsageError(f"levels cannot start at {list(self.starts)}")
        if not all(0 < value <= 1 for value in self.confidences):
            raise UsageError(f"confidences must lie in (0, 1], not {list(self.confidences)}")

    def __len__(self) -> int:
        """How many there are."""
        return len(self.starts)

    def of(self, peaks: Array) -> Array:
        """The level of largest logits given in steps of the grid, int64 of the same shape."""
        return np.maximum(np.searchsorted(self.starts, peaks, side="right") - 1, 0).astype(np.int64)

    def by_step(self) -> Array:
        """The level of each step from -128 on, int64 ``[256]``."""
        return self.of(np.arange(-128, 128))


ONE_LEVEL = Levels((-128,), (1.0,))
"""Of a table without levels."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of ``levels x classes`` answers, row ``level * classes + c`` belonging to class c.

    A row holds ``top`` at its class, ``second`` at one other class and ``rest`` at all others.

    :param top: float64 ``[levels]``.
    :param second: float64 ``[levels]``; not looked at in a table without decoys.
    :param seconds: int64 ``[levels, classes]``, the other class; ``None`` in a table without decoys.
    """

    classes: int
    top: Array
    second: Array
    seconds: Array | None

    def __post_init__(self) -> None:
        """Refuse rows whose largest entry does not stand clear of the others, or whose decoy stands below them.

        :raises UsageError: naming the level.
        """
        highest = self.rest if self.seconds is None else np.maximum(self.second, self.rest)
        for level, (top, other) in enumerate(zip(self.top, highest, strict=True)):
            # The lead is exact in real numbers; half a millionth is what floats may take from it.
            if top - other < _LEAD - 5e-7:
                raise UsageError(f"level {level} answers with {top:.4f} for the class and {other:.4f} for another")
        if self.seconds is not None:
            for level, (second, rest) in enumerate(zip(self.second, self.rest, strict=True)):
                if second < rest - 1e-9:
                    raise UsageError(f"level {level} answers with {second:.4f} for the decoy and {rest:.4f} for others")
        if self.seconds is not None and (self.seconds == np.arange(self.classes)).any():
            raise UsageError("a decoy is the class itself")

    @property
    def rest(self) -> Array:
        """What is left for each other class, float64 ``[levels]``."""
        if self.seconds is None:
            return (1 - self.top) / (self.classes - 1)
        others = self.classes - 2
        return np.zeros(len(self.top)) if others == 0 else np.maximum(1 - self.top - self.second, 0.0) / others

    @property
    def units(self) -> bool:
        """Whether the rows are the unit vectors."""
        return len(self.top) == 1 and self.seconds is None and bool(self.top[0] == 1)

    @property
    def matrix(self) -> Array:
        """All rows, float32 ``[levels * classes, classes]``."""
        rest, indices, values = self.entries
        rows = np.repeat(rest, self.classes, axis=1)
        np.put_along_axis(rows, indices, values, axis=1)
        return rows

    @property
    def entries(self) -> tuple[Array, Array, Array]:
        """The rows by what differs from their rest, for many classes: no table of ``classes x classes``.

        :returns: the rest, float32 ``[levels * classes, 1]``; the special classes, int64 ``[levels * classes, m]``, and
            what stands there, float32, no smaller than the rest.
        """
        levels = len(self.top)
        own = np.tile(np.arange(self.classes), levels)[:, None]
        rest = np.repeat(self.rest, self.classes)[:, None].astype(np.float32)
        top = np.repeat(self.top, self.classes)[:, None]
        if self.seconds is None:
            return rest, own, top.astype(np.float32)
        # A second entry that is the rest's equal may come out of its own formula smaller by a rounding.
        second = np.repeat(np.maximum(self.second, self.rest), self.classes)[:, None]
        indices = np.concatenate([own, self.seconds.reshape(-1, 1)], axis=1)
        return rest, indices, np.concatenate([top, second], axis=1).astype(np.float32)
