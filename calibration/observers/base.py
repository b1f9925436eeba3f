"""What every observer takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edgeguard.errors import BadData

__all__ = ["BINS", "LEVELS", "Observer", "Range", "TensorStats"]

Array = np.ndarray[Any, Any]

BINS = 2048
LEVELS = 256
# How near to halfway between two levels zero is called a tie, and what a range is multiplied with then: over 256 levels
# the two grids come to lie two steps apart, so that values fall anywhere between levels.
_TIE = 0.01
_WIDER = 1 + 2 / 256


@dataclass(frozen=True, slots=True)
class Range:
    """The values that an int8 tensor covers, in the tensor's units; zero always lies inside."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse ranges that no scale can come from.

        :raises BadData: not finite, or zero outside.
        """
        if not (np.isfinite(self.low) and np.isfinite(self.high)) or not self.low <= 0 <= self.high:
            raise BadData(f"[{self.low}, {self.high}] is no quantization range: it must be finite and hold zero")

    @property
    def off_ties(self) -> Range:
        """A range that is a little wider where zero lies halfway between two of its levels.

        Zero must be a level, so all levels then move by half a step. Pixels of -1 to 1 come in steps of 2/255 that
        have no zero either: on a grid of the same step each would lie exactly between two levels, which is as wrong as
        can be, and engines break such ties differently.
        """
        span = self.high - self.low
        if not span or abs(-self.low / span * (LEVELS - 1) % 1 - 0.5) > _TIE:
            return self
        return Range(self.low * _WIDER, self.high * _WIDER)

    @classmethod
    def covering(cls, low: float, high: float) -> Range:
        """The smallest range that covers ``low``, ``high`` and zero."""
        return cls(min(low, 0.0), max(high, 0.0))


@dataclass(frozen=True, slots=True)
class TensorStats:
    """What a tensor was seen to hold over a calibration set.

    :param low: smallest value.
    :param high: largest value.
    :param counts: int64 ``[BINS]``, values by equal bins over ``[low, high]``; ``None`` if nobody asked for them.
    """

    low: float
    high: float
    counts: Array | None = None

    @property
    def edges(self) -> Array:
        """The ``BINS + 1`` edges of the bins, float64."""
        return np.linspace(self.low, self.high, BINS + 1)

    @property
    def centres(self) -> Array:
        """The middles of the bins, float64 ``[BINS]``."""
        edges = self.edges
        return (edges[:-1] + edges[1:]) / 2


class Observer(Protocol):
    """A rule from :class:`TensorStats` to a :class:`Range`, as a frozen dataclass whose fields are its parameters."""

    @property
    def name(self) -> str:
        """As the command line calls it."""

    @property
    def needs_counts(self) -> bool:
        """Whether it looks at the histogram: if not, the second pass over the data is saved."""

    def range(self, stats: TensorStats) -> Range:
        """The range for one tensor."""
