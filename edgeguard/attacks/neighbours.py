"""Posteriors behind answers from what the thief's own copy of the defense makes of known ones, by kernel regression.

The partial Bayes attack of ModelGuard (Tang et al., USENIX Security 2024) estimates E[p | answer], the mean of the
thief's prior given the answer. With pairs (a_i, p_i) drawn from the prior, and d_i the distance of the i-th to an
answer a, this is the estimate of Nadaraya and Watson (1964)::

    sum_i w_i p_i / sum_i w_i,    w_i = exp(-d_i^2 / 2 h^2)

h being half of the distance to the 16th nearest pair. Distances are those of Hellinger, between square roots, in which
what was done to small entries counts as well. Where many pairs have the same answer, as with rounding and tables, it is
their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["fit_neighbours", "nearest"]

Array = np.ndarray[Any, Any]

_NEAREST = 16
# Pairs of numbers that are compared at once: bounds memory.
_BLOCK_ELEMENTS = 1 << 24
# Square roots of float32 answers are not known better.
_LEAST_WIDTH = 1e-3


def nearest(given: Array, known: Array, count: int) -> Array:
    """Which known answers lie nearest to each given one, in no order: int64 ``[n, count]``.

    :param given: ``[n, classes]``.
    :param known: at least ``count``, ``[m, classes]``.
    """
    blocks = [np.argpartition(distances, count - 1, axis=1)[:, :count] for distances in _distances(given, known)]
    return np.concatenate(blocks)


def fit_neighbours(answers: Array, posteriors: Array, seed: int) -> Callable[[Array], Array]:  # noqa: ARG001  (as :func:`edgeguard.attacks.inverse.fit_inverse`, which draws)
    """Learn from pairs, at least one.

    :param answers: ``[n, classes]``.
    :param posteriors: what they were made from, ``[n, classes]``.
    :returns: from answers to estimates, float32 of the same shape, each row a distribution.
    """
    nth = min(_NEAREST, len(answers)) - 1

    def estimate(distances: Array) -> Array:
        width = np.maximum(np.partition(distances, nth, axis=1)[:, nth, None] / 4, _LEAST_WIDTH**2)
        weights = np.exp((distances.min(axis=1, keepdims=True) - distances) / (2 * width))
        return np.asarray(weights @ posteriors / weights.sum(axis=1, keepdims=True), np.float32)

    def invert(given: Array) -> Array:
        distinct, which = np.unique(given, axis=0, return_inverse=True)
        return np.concatenate([estimate(distances) for distances in _distances(distinct, answers)])[which.reshape(-1)]

    return invert


def _distances(given: Array, known: Array) -> Iterator[Array]:
    """Squared distances to all that is known, ``[rows, m]``, of one block of rows after the other."""
    known = np.sqrt(known.astype(np.float32))
    squares = (known**2).sum(axis=1)
    rows = max(1, _BLOCK_ELEMENTS // len(known))
    for start in range(0, len(given), rows):
        roots = np.sqrt(given[start : start + rows].astype(np.float32))
        yield np.maximum((roots**2).sum(axis=1)[:, None] + squares - 2 * roots @ known.T, 0)
