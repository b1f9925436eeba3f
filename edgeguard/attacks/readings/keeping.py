"""What filters have in common: they keep what they trust, and never less than a quarter of any class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["LEAST_KEPT", "keep"]

Array = np.ndarray[Any, Any]

# Of each class that was answered. A class that is gone teaches the clone never to answer it, which is worse than noise.
LEAST_KEPT = 0.25


def keep(trusted: Array, trust: Array, labels: Array) -> Array:
    """Which images to keep, sorted int64 ``[m]``.

    :param trusted: bool ``[n]``.
    :param trust: in what order the others are kept where too few of a class are trusted, ``[n]``, larger first; among
        equals the first.
    :param labels: of the answers, int64 ``[n]``.
    """
    kept = trusted.copy()
    for own in np.unique(labels):
        mine = np.flatnonzero(labels == own)
        # Trusted ones stand first whatever their trust is.
        order = mine[np.lexsort((-trust[mine], ~trusted[mine]))]
        kept[order[: math.ceil(LEAST_KEPT * len(mine))]] = True
    return np.flatnonzero(kept)
