"""All logits that a defense turns into a given answer, found by Levenberg and Marquardt's method from many starts.

A defense that answers with many distinct numbers can be solved by whoever knows it: his own copy says what any logits
are answered with. There are several solutions as a rule (dcp at beta 1.2 has six or more behind an answer on average,
since what it adds to a small probability may be more than a larger one gets), and only a prior tells which is the right
one: :mod:`edgeguard.attacks.plausibility`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.attacks.prior import posteriors_of

__all__ = ["Preimages", "preimages"]

Array = np.ndarray[Any, Any]
# From logits, float32 [n, classes], to answers, [n, any], each row on its own.
Pointwise = Callable[[Array], Array]

_STEPS = 45
# Of the difference quotients, and of one step: logits.
_NUDGE = 2e-3
_LONGEST = 2.0
_DAMPING = (1e-7, 1e-2, 1e5)
# Squared distance of answers that are the same but for float32.
_SAME = 1e-13
# Squared change of answers with a unit of logits, below which they say nothing of that direction.
_FLAT = 1e-10
# L1 distance of posteriors that are two findings of one solution.
_TWINS = 0.02
# Answers solved at once: bounds memory.
_ROWS = 2500


@dataclass(frozen=True, slots=True)
class Preimages:
    """Of n answers, up to one solution from each start.

    :param logits: float64 ``[starts, n, classes]``, centred; only those ``found`` are solutions.
    :param found: bool ``[starts, n]``; of findings of the same solution only the first.
    :param volume: ``[starts, n]``, logarithm of how much of the space of answers belongs to a unit of logits there. A
        prior's density divided by it is the density of answers (change of variables).
    """

    logits: Array
    found: Array
    volume: Array

    @property
    def posteriors(self) -> Array:
        """Of the logits, ``[starts, n, classes]``."""
        return posteriors_of(self.logits.astype(np.float32))


def preimages(answers: Array, defended: Pointwise, starts: Array) -> Preimages:
    """Solve for the logits behind answers.

    :param answers: ``[n, classes]``.
    :param defended: the thief's copy of the defense.
    :param starts: logits to begin with, ``[starts, n, classes]``.
    """
    count, rows, classes = starts.shape
    solved = [
        _solve(defended, starts[start, first : first + _ROWS], answers[first : first + _ROWS])
        for start in range(count)
        for first in range(0, rows, _ROWS)
    ]
    logits = np.concatenate([part[0] for part in solved]).reshape(count, rows, classes)
    misses = np.concatenate([part[1] for part in solved]).reshape(count, rows)
    found = misses < _SAME
    posteriors = posteriors_of(logits.astype(np.float32))
    for later in range(1, count):
        apart = np.abs(posteriors[:later] - posteriors[later]).sum(axis=2)
        found[later] &= ~((apart < _TWINS) & found[:later]).any(axis=0)
    volume = np.zeros((count, rows))
    for start in range(count):
        chosen = np.flatnonzero(found[start])
        volume[start, chosen], found[start, chosen] = _volume(defended, logits[start, chosen])
    return Preimages(logits, found, volume)


def _solve(defended: Pointwise, start: Array, answers: Array) -> tuple[Array, Array]:
    """The logits that one run ends with, ``[n, classes]``, and the squared distances of their answers, ``[n]``."""
    least, damping, most = _DAMPING
    logits = start - start.mean(axis=1, keepdims=True)
    reached = _exact(defended, logits)
    misses = ((reached - answers) ** 2).sum(axis=1)
    dampings = np.full(len(logits), damping)
    diagonal = np.arange(logits.shape[1])
    for _ in range(_STEPS):
        # Solved rows, and rows that no step brings nearer, are done.
        open_ = np.flatnonzero((misses > _SAME / 1e3) & (dampings < most))
        if not len(open_):
            break
        slopes = _slopes(defended, logits[open_], reached[open_])
        normal = slopes.transpose(0, 2, 1) @ slopes
        normal[:, diagonal, diagonal] += dampings[open_, None] * (1e-3 + normal[:, diagonal, diagonal])
        downhill = slopes.transpose(0, 2, 1) @ (answers[open_] - reached[open_])[..., None]
        tried = logits[open_] + np.clip(np.linalg.solve(normal, downhill)[..., 0], -_LONGEST, _LONGEST)
        new = _exact(defended, tried)
        missed = ((new - answers[open_]) ** 2).sum(axis=1)
        nearer = missed < misses[open_]
        better = open_[nearer]
        logits[better], reached[better] = tried[nearer], new[nearer]
        misses[better] = missed[nearer]
        dampings[open_] = np.clip(np.where(nearer, dampings[open_] / 3, dampings[open_] * 4), least, most)
    return logits - logits.mean(axis=1, keepdims=True), misses


def _slopes(defended: Pointwise, logits: Array, reached: Array) -> Array:
    """Difference quotients of the answers, ``[n, answers, logits]``."""
    nudged = logits[:, None, :] + _NUDGE * np.eye(logits.shape[1])
    answers = _exact(defended, nudged.reshape(-1, logits.shape[1])).reshape(*logits.shape, reached.shape[1])
    return np.asarray((answers - reached[:, None, :]).transpose(0, 2, 1) / _NUDGE)


def _volume(defended: Pointwise, logits: Array) -> tuple[Array, Array]:
    """Half of the logarithm of the Gram determinant, and whether the answers change with every change of the logits.

    The direction that changes all logits alike counts one.
    """
    slopes = _slopes(defended, logits, _exact(defended, logits))
    stretches = np.linalg.eigvalsh(slopes.transpose(0, 2, 1) @ slopes + 1 / logits.shape[1])
    return np.log(np.maximum(stretches, _FLAT)).sum(axis=1) / 2, stretches[:, 0] > _FLAT


def _exact(defended: Pointwise, logits: Array) -> Array:
    return defended(logits.astype(np.float32)).astype(np.float64)
