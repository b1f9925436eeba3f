"""Exact binomial bounds: how many losses on n images prove that a budget holds.

Clopper and Pearson, Biometrika 26 (1934): with k losses on n images, the one-sided 95 % upper bound of the loss is the
p at which k or fewer losses have probability 5 %.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["MISS", "least_images", "most_losses", "upper_bound"]

# How often a bound may be missed.
MISS = 0.05
_HALVINGS = 60


def upper_bound(losses: int, images: int) -> float:
    """The upper bound of the loss, 0..1."""
    if losses >= images:
        return 1.0
    k = np.arange(losses + 1)
    ways = np.array([math.lgamma(images + 1) - math.lgamma(i + 1) - math.lgamma(images - i + 1) for i in k])
    low, high = losses / images, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        at_most = np.exp(ways + k * math.log(middle) + (images - k) * math.log1p(-middle)).sum()
        if at_most > MISS:
            low = middle
        else:
            high = middle
    return high


def most_losses(images: int, budget: float) -> int:
    """The most losses on so many images that prove a loss of at most ``budget``, 0..1; -1 if even none does not."""
    # The bound grows with the losses: what is looked for lies in [low, high), and both close in on it.
    low, high = -1, images
    while high - low > 1:
        middle = (low + high) // 2
        if upper_bound(middle, images) <= budget:
            low = middle
        else:
            high = middle
    return low


def least_images(budget: float) -> int:
    """The fewest images on which no loss at all proves a loss of at most ``budget``: (1 - budget)^n <= 5 %."""
    return math.ceil(math.log(MISS) / math.log1p(-budget)) if 0 < budget < 1 else 1
