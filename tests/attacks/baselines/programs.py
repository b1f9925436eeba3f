"""Small linear programs over distributions, solved by looking at every vertex."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

__all__ = ["minimum"]

Array = np.ndarray[Any, Any]

_TOLERANCE = 1e-9


def minimum(costs: Array, rows: Array, bounds: Array) -> float | None:
    """The minimum of ``costs x`` over x that sum to 1 and have ``rows x <= bounds``; ``None`` if there is no such x.

    A program over a bounded set has its minimum at a vertex, where as many constraints hold with equality as x has
    entries.

    :param costs: ``[n]``.
    :param rows: ``[m, n]``.
    """
    count = len(costs)
    chosen = np.array(list(itertools.combinations(range(len(rows)), count - 1)))
    ones = np.ones((len(chosen), 1, count))
    equalities = np.concatenate([ones, rows[chosen]], axis=1)
    sides = np.concatenate([np.ones((len(chosen), 1)), bounds[chosen]], axis=1)
    regular = np.abs(np.linalg.det(equalities)) > _TOLERANCE
    vertices = np.linalg.solve(equalities[regular], sides[regular][..., None])[..., 0]
    feasible = vertices[(vertices @ rows.T <= bounds + _TOLERANCE).all(axis=1)]
    return float((feasible @ costs).min()) if len(feasible) else None
