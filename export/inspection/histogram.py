"""Counts of values in bins of one width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["BINS", "Histogram", "counted"]

Array = np.ndarray[Any, Any]

BINS = 96


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie in each of the bins that divide a range evenly.

    :param low: where the first bin begins; the last one ends at ``high``, which is larger.
    """

    low: float
    high: float
    counts: tuple[int, ...]


def counted(values: Array, low: float, high: float) -> Array:
    """Counts in :data:`BINS` bins, int64; what lies outside counts as if it lay at the end.

    :param high: at least ``low``; where there is no width, all is in the first bin.
    """
    span = high - low
    flat = values.ravel().astype(np.float64)
    positions = (flat - low) * (BINS / span) if span > 0 else np.zeros_like(flat)
    return np.bincount(np.clip(positions, 0, BINS - 1).astype(np.int64), minlength=BINS)
