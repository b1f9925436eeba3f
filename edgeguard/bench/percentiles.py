"""Percentiles that may be stated: LoadGen's early-stopping estimate, and nothing below its floor.

The p-th percentile of the samples in hand says little about the p-th percentile of the machine when few samples lie
beyond it. MLPerf LoadGen (``early_stopping.cc``, ``results.cc``) states an upper bound instead: with n independent
samples, the number above the true percentile is binomial(n, 1 - p). Let t be the largest number for which

    P(at most t of n samples lie above it) < 1 - confidence;

then the t-th largest sample is no less than the true percentile with at least that confidence. There must be a t >= 1,
which gives the floor on n: at confidence 0.99, 11 samples for p50, 64 for p90, 130 for p95, 662 for p99.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["CONFIDENCE", "fewest_samples", "percentile_estimate", "tolerated_above"]

CONFIDENCE = 0.99


def percentile_estimate(samples: Sequence[int], percentile: float, confidence: float = CONFIDENCE) -> int | None:
    """Upper bound of a percentile, in the unit of the samples, or ``None`` where there are too few of them.

    :param percentile: in (0, 1), for example 0.9.
    :param confidence: probability that the true percentile is not above the result, if samples are independent.
    """
    above = tolerated_above(len(samples), percentile, confidence)
    return sorted(samples)[len(samples) - above] if above >= 1 else None


def tolerated_above(count: int, percentile: float, confidence: float = CONFIDENCE) -> int:
    """How many of ``count`` samples may lie above the bound: ``t`` in the module's docstring, or 0 if there is none."""
    if count < 1:
        return 0
    if not 0 < percentile < 1 or not 0 < confidence < 1:
        raise ValueError(f"percentile {percentile} and confidence {confidence} must lie in (0, 1)")
    # log P(exactly k above), k = 0, 1, ...: a running sum, since neighbours differ by a simple factor
    k = np.arange(count)
    steps = np.log((count - k) / (k + 1)) + math.log((1 - percentile) / percentile)
    exactly = count * math.log(percentile) + np.concatenate([[0.0], np.cumsum(steps)])
    at_most = np.logaddexp.accumulate(exactly)
    return max(0, int(np.searchsorted(at_most, math.log1p(-confidence), side="left")) - 1)


def fewest_samples(percentile: float, confidence: float = CONFIDENCE) -> int:
    """The floor: the smallest number of samples that gives an estimate at all."""
    high = 2
    while tolerated_above(high, percentile, confidence) < 1:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if tolerated_above(middle, percentile, confidence) >= 1 else (middle, high)
    return high
