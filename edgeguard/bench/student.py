"""Quantiles of Student's t distribution, which the interval of few processes needs; scipy is no dependency of a Pi."""

from __future__ import annotations

import math

__all__ = ["t_quantile"]


def t_quantile(probability: float, freedom: int) -> float:
    """The value that a t-distributed variable stays below with ``probability``.

    :param probability: in [0.5, 1).
    :param freedom: degrees of freedom, at least 1.
    """
    if not 0.5 <= probability < 1 or freedom < 1:
        raise ValueError(f"no t quantile for probability {probability} and {freedom} degrees of freedom")
    low, high = 0.0, 1.0
    while _within(high, freedom) < 2 * probability - 1:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < 2 * probability - 1 else (low, middle)
    return (low + high) / 2


def _within(value: float, freedom: int) -> float:
    """P(-value <= T <= value), the finite sums of Abramowitz & Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(value / math.sqrt(freedom))
    cosine = math.cos(angle) ** 2
    odd = freedom % 2 == 1
    term = math.cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for step in range(2 if odd else 1, freedom - 1, 2):
        term *= step / (step + 1) * cosine
        total += term
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
