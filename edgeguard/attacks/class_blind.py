"""Inverses that treat all classes alike: answers are sorted before they are learnt from and before they are inverted.

Without the key, and without a class that is likelier than others, the best estimate changes places with the answer: the
defenses treat classes alike, and where a key does not, the thief must take the mean over all keys, which does. Sorted,
each pair stands for all K! that its permutations would be. So the pairs are as good as many more, and what the thief's
own key decides (which class is given another one's share, say) is not taken for the owner's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Fit", "class_blind", "descending", "restored"]

Array = np.ndarray[Any, Any]
# From answers and the posteriors behind them, both [n, classes], and a seed to an inverse: answers to estimates.
Fit = Callable[[Array, Array, int], Callable[[Array], Array]]


def class_blind(fit: Fit) -> Fit:
    """The same learning, of sorted answers."""

    def fit_sorted(answers: Array, posteriors: Array, seed: int) -> Callable[[Array], Array]:
        order = descending(answers)
        inverse = fit(np.take_along_axis(answers, order, 1), np.take_along_axis(posteriors, order, 1), seed)

        def invert(given: Array) -> Array:
            places = descending(given)
            return restored(inverse(np.take_along_axis(given, places, 1)), places)

        return invert

    return fit_sorted


def descending(answers: Array) -> Array:
    """The places of each row's entries, the largest first, among equals the first class: int64 ``[n, classes]``."""
    return np.argsort(-answers, axis=1, kind="stable")


def restored(found: Array, places: Array) -> Array:
    """What was found for sorted rows, ``[..., n, classes]``, with each entry back in its place ``[n, classes]``."""
    rows = np.empty_like(found)
    np.put_along_axis(rows, np.broadcast_to(places, found.shape), found, -1)
    return rows
