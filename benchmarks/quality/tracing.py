"""Tracing clones: the key of the answers that a clone was trained on, found in what it answers.

Two statistics, both with the exact p-value of a permutation test over keys, which is valid for any table that depends
on no key. The first is that of ``edgeguard trace``. The second looks at the lowest level of confidence alone, where
nearly all queries of a thief are answered and a decoy has most mass, and takes the mean rank of each class instead of
counting runners-up: a decoy that stays third behind a natural runner-up counts as well. What networks confuse by nature
drowns the decoys otherwise. Two ways to take it off: it is nearly symmetric, and decoys are not, so half of the
mirrored ranks; or, better, the ranks of the undefended victim, if it is at hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.quality.victim import CLASSES
from edgeguard.attacks.chance import chance, total_matches, weights
from edgeguard.attacks.trace import DEFAULT_DRAWS, DEFAULT_LEVELS, count_runner_ups
from edgeguard.defenses.decoys import derangements
from edgeguard.keys import MasterKey

__all__ = ["less_mirrored", "mean_ranks", "p_of_ranks", "p_of_trace"]

Array = np.ndarray[Any, Any]

_HUNDREDTHS = 100


def p_of_trace(answers: Array, keys: list[MasterKey], levels: int = DEFAULT_LEVELS) -> Array:
    """What ``edgeguard trace`` says of each key."""
    table = weights(count_runner_ups([answers], "the clone").counts)
    distribution = chance(table, levels, draws=DEFAULT_DRAWS, seed=0)
    decoys = [derangements(key, CLASSES, levels) for key in keys]
    return np.array([distribution.p_value(total_matches(table, found)) for found in decoys])


def p_of_ranks(ranks: Array, keys: list[MasterKey]) -> Array:
    """The p-value of each key: how often a random derangement has decoys of at least so high a rank.

    :param ranks: of :func:`mean_ranks`, or what is left of them.
    """
    table = np.rint(_HUNDREDTHS * (ranks - ranks.min())).astype(np.int64)
    np.fill_diagonal(table, 0)
    distribution = chance(table, 1, draws=DEFAULT_DRAWS, seed=0)
    decoys = [derangements(key, CLASSES, 1) for key in keys]
    return np.array([distribution.p_value(total_matches(table, found)) for found in decoys])


def less_mirrored(ranks: Array) -> Array:
    """Mean ranks less half of those with both classes exchanged: all of it would cost decoys that exchange classes."""
    return ranks - ranks.T / 2


def mean_ranks(answers: Array) -> Array:
    """The mean rank of class r, the least likely having 0, among answers whose largest is c: ``[classes, classes]``."""
    above = np.zeros(answers.shape)
    for other in range(answers.shape[1]):
        above += answers > answers[:, other, None]
        above += 0.5 * (answers == answers[:, other, None])
    top = answers.argmax(axis=1)
    return np.stack([above[top == c].mean(axis=0) if (top == c).any() else np.zeros(CLASSES) for c in range(CLASSES)])
