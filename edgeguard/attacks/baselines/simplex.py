"""Moving a posterior within an L1 distance."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["moved_towards", "redirected"]

Array = np.ndarray[Any, Any]


def moved_towards(posteriors: Array, targets: Array, epsilon: float) -> Array:
    """Posteriors on the straight way to other distributions, as far as an L1 distance of ``epsilon``.

    :param posteriors: ``[n, classes]``; ``targets`` likewise.
    """
    far = np.abs(targets - posteriors).sum(axis=1, keepdims=True)
    share = np.minimum(1, epsilon / np.maximum(far, 1e-300))
    return np.asarray((1 - share) * posteriors + share * targets)


def redirected(posteriors: Array, scores: Array, epsilon: float) -> Array:
    """Of all distributions within an L1 distance of ``epsilon`` the one with the largest ``scores x``.

    Mazeika et al., "How to Steer Your Adversary" (ICML 2022), algorithm 1: the class of the largest score receives, at
    most ``epsilon / 2``, and those of the smallest scores give, one after the other, all that they have.

    :param posteriors: ``[n, classes]``; ``scores`` likewise.
    """
    ascending = np.argsort(scores, axis=1, kind="stable")
    sorted_rows = np.take_along_axis(posteriors, ascending, axis=1)
    wanted = np.minimum(epsilon / 2, 1 - sorted_rows[:, -1:])
    before = sorted_rows.cumsum(axis=1) - sorted_rows
    taken = np.clip(wanted - before, 0, sorted_rows)
    # Whoever receives gives nothing: the others have at least what is wanted, but for rounding.
    taken[:, -1] = 0
    left = sorted_rows - taken
    left[:, -1] += taken.sum(axis=1)
    moved = np.empty_like(posteriors)
    np.put_along_axis(moved, ascending, left, axis=1)
    return moved
