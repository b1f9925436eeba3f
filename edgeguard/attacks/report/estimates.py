"""A mean over seeds, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, stdev

from edgeguard.bench.student import t_quantile

__all__ = ["CONFIDENCE", "Estimate", "estimate"]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds with its two-sided interval.

    :param low: lower end; ``None`` for a single seed, which has no interval. ``high`` likewise.
    :param count: seeds.
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    def scaled(self, factor: float) -> Estimate:
        """In another unit.

        :param factor: positive.
        """
        low, high = (None if end is None else factor * end for end in (self.low, self.high))
        return Estimate(factor * self.mean, low, high, self.count)


def estimate(values: Sequence[float]) -> Estimate:
    """Student's t interval of a mean, with n - 1 degrees of freedom.

    It takes seeds for independent draws from a normal distribution; ends may lie beyond what is possible (an accuracy
    above 1), which says that there are too few seeds.

    :param values: one a seed, at least one.
    :raises ValueError: there are none.
    """
    if not values:
        raise ValueError("no values")
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(mean, None, None, 1)
    reach = _quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Estimate(mean, mean - reach, mean + reach, len(values))


@cache
def _quantile(freedom: int) -> float:
    return t_quantile((1 + CONFIDENCE) / 2, freedom)
