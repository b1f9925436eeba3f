"""The linear program of ModelGuard-W, solved exactly.

Over answers x with one entry for each class, posterior y, its top class t and cost ``c_j = log y_j``::

    minimize c x   where   x >= 0, sum x = 1, |x - y|_1 <= eps, and x_j <= x_t - margin for every other class j

For a fixed x_t the rest is two greedy fills that meet: mass goes to the cheapest classes up to their cap, and comes
from the dearest; c has the order of y. What remains is convex in x_t, and is narrowed down to float precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["MARGIN", "extreme_answers"]

Array = np.ndarray[Any, Any]

# By how much the top class stays above all others; in the authors' program likewise.
MARGIN = 1e-4
# No class is cheaper than this: log(y) alone has no minimum at y = 0. In the authors' program likewise.
_FLOOR = 1e-6
# Candidates around the best one so far, and how often they draw closer: a convex function has its minimum between the
# neighbours of the best of them.
_CLOSER = 32
_ROUNDS = 11
_STEPS = np.linspace(-1, 1, 2 * _CLOSER + 1)


def extreme_answers(posteriors: Array, epsilon: float) -> Array:
    """The program's solutions, float64 ``[n, classes]``; where it has none, the posterior itself.

    :param posteriors: float64 ``[n, classes]``.
    """
    order = np.argsort(posteriors, axis=1, kind="stable")
    # Of several largest entries the argmax is the first, which a stable order has not last.
    top = posteriors.argmax(axis=1)
    rest = order[order != top[:, None]].reshape(len(posteriors), -1)
    ascending = np.take_along_axis(posteriors, rest, axis=1)
    highest = posteriors.max(axis=1)
    costs = np.log(posteriors + _FLOOR)
    program = _Program(ascending, highest, np.take_along_axis(costs, rest, axis=1), costs.max(axis=1), epsilon)
    level, others = program.solution()
    found = np.empty_like(posteriors)
    np.put_along_axis(found, rest, others, axis=1)
    np.put_along_axis(found, top[:, None], level[:, None], axis=1)
    return found


class _Program:
    """One program for each row.

    :param ascending: the posterior without its top class, in ascending order, ``[n, classes - 1]``.
    :param highest: of the top class, ``[n]``.
    :param costs: of the other classes, in that order; ``dearest`` of the top class.
    """

    def __init__(self, ascending: Array, highest: Array, costs: Array, dearest: Array, epsilon: float) -> None:
        self._y = ascending[:, None]
        self._highest = highest[:, None]
        self._costs = costs[:, None]
        self._dearest = dearest[:, None]
        self._epsilon = epsilon

    def solution(self) -> tuple[Array, Array]:
        """The top class's entry ``[n]``, and the others' ``[n, classes - 1]``."""
        highest, half = self._highest, self._epsilon / 2
        # Here something is feasible, if anything is: nothing else has to move down.
        kept = np.maximum(highest, self._y.max(axis=2) + MARGIN)
        reach = np.full_like(kept, half + MARGIN)
        for _ in range(_ROUNDS):
            levels = np.clip(kept + reach * _STEPS, 0, 1)
            values = self._values(levels)
            best = values.argmin(axis=1)[:, None]
            kept = np.take_along_axis(levels, best, axis=1)
            reach = reach / _CLOSER
        feasible = np.isfinite(np.take_along_axis(values, best, axis=1))
        others, _ = self._others(kept)
        return np.where(feasible, kept, highest)[:, 0], np.where(feasible[..., None], others, self._y)[:, 0]

    def _values(self, levels: Array) -> Array:
        others, feasible = self._others(levels)
        values = (others * self._costs).sum(axis=2) + levels * self._dearest
        return np.where(feasible, values, np.inf)

    def _others(self, levels: Array) -> tuple[Array, Array]:
        """The best other entries ``[n, m, classes - 1]`` for levels of the top class ``[n, m]``, and whether they are
        feasible."""
        cap = np.maximum(levels - MARGIN, 0)[..., None]
        low = np.minimum(self._y, cap)
        room = cap - low
        rooms, tails = room.cumsum(axis=2), low[..., ::-1].cumsum(axis=2)[..., ::-1]
        # To raise by u, the others lower by u - surplus beside what the cap takes from them.
        surplus = 1 - levels - low.sum(axis=2)
        spent = np.abs(levels - self._highest) + (self._y - low).sum(axis=2)
        least = np.maximum(surplus, 0)
        most = np.minimum((self._epsilon - spent + surplus) / 2, rooms[..., -1])
        feasible = (least <= most + 1e-12) & (levels >= MARGIN)
        # Up to here every class that receives is cheaper than every class that gives.
        beyond = np.concatenate([tails[..., 1:], np.zeros_like(tails[..., :1])], axis=2)
        meeting = np.minimum(rooms, surplus[..., None] + beyond).max(axis=2)
        raised = np.clip(meeting, least, np.maximum(most, least))[..., None]
        up = np.clip(raised - (rooms - room), 0, room)
        down = np.clip(raised - surplus[..., None] - beyond, 0, low)
        return low + up - down, feasible
