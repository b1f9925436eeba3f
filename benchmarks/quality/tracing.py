"""Tracing clones: the key of the answers that a clone was trained on, found in what it answers.

All p-values are those of ``edgeguard trace``, exact over keys and valid for any table that depends on no key; what
differs is the table. Its own: mean ranks less half of the mirrored ones. Beside it, what is worse, counted runners-up
in logarithms and mean ranks as they are; and what is better, but takes the undefended victim: mean ranks less its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.quality.victim import CLASSES
from edgeguard.attacks.chance import chance, total_score
from edgeguard.attacks.ranks import Ranks, excess, table_of
from edgeguard.attacks.trace import DEFAULT_DRAWS, DEFAULT_LEVELS, rank_all
from edgeguard.defenses.decoys import derangements
from edgeguard.keys import MasterKey

__all__ = ["mean_ranks", "p_of", "runner_ups", "trace_ranks"]

Array = np.ndarray[Any, Any]


def p_of(cells: Array, keys: list[MasterKey], levels: int = DEFAULT_LEVELS) -> Array:
    """The p-value of each key: how often random decoys have at least so much in the cells, ``[classes, classes]``."""
    table = table_of(cells)
    distribution = chance(table, levels, draws=DEFAULT_DRAWS, seed=0)
    decoys = [derangements(key, CLASSES, levels) for key in keys]
    return np.array([distribution.p_value(total_score(table, found)) for found in decoys])


def trace_ranks(answers: Array) -> Array:
    """What ``edgeguard trace`` looks at."""
    return excess(_ranks(answers))


def mean_ranks(answers: Array) -> Array:
    """The mean rank of class r, the least likely having 0, among answers whose largest is c."""
    ranks = _ranks(answers)
    found: Array = ranks.doubled / (2.0 * np.maximum(ranks.answered, 1)[:, None])
    return found


def runner_ups(answers: Array) -> Array:
    """The logarithm of how many answers have c as their largest and r as their second."""
    second, first = np.argsort(answers, axis=1)[:, -2:].T
    counts = np.zeros((CLASSES, CLASSES))
    np.add.at(counts, (first, second), 1)
    return np.log1p(counts)


def _ranks(answers: Array) -> Ranks:
    return rank_all([answers], "the clone")[0]
