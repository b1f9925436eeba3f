"""Tracing: did a suspect learn from answers that the defense ``decoy`` gave under a certain key?

A defended model puts much of what the likeliest class leaves on that class's decoy, and a clone trained on such answers
makes the decoy its runner-up. So the suspect's runner-up classes are compared with the key's decoys, and the comparison
with that of random keys: see :mod:`edgeguard.attacks.chance`, also for why the p-value is valid, and why a pair of
classes counts by the logarithm of its queries. Own design.

What the p-value presupposes is up to who uses it: the queries were chosen without the key, the key was fixed before
the suspect existed (its published commitment shows that), and whoever tries several suspects, keys or sets of queries
multiplies the smallest p by their number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.attacks.chance import chance, derangement_count, total_matches, weights
from edgeguard.defenses.codebook import MOST_LEVELS
from edgeguard.defenses.decoy import Decoy
from edgeguard.defenses.decoys import derangements
from edgeguard.errors import BadData
from edgeguard.keys import MasterKey

__all__ = [
    "DEFAULT_DRAWS",
    "DEFAULT_LEVELS",
    "LARGEST_SMALLEST_P",
    "LEAST_COUNTED",
    "MOST_LEVELS",
    "RunnerUps",
    "Trace",
    "count_runner_ups",
    "trace",
]

Array = np.ndarray[Any, Any]

DEFAULT_LEVELS = Decoy().levels
# Makes 1 / (1 + N) 5e-6.
DEFAULT_DRAWS = 199_999
# A p-value is valid for any number, but with fewer queries even a faithful clone stays within chance.
LEAST_COUNTED = 100
# One level's derangement must be able to be this improbable: for up to five classes all keys are too much alike.
# Answers with which no key can get there say nothing either.
LARGEST_SMALLEST_P = 0.01


@dataclass(frozen=True, eq=False, slots=True)
class RunnerUps:
    """What a suspect answered, as far as it matters.

    :param counts: int64 ``[classes, classes]``: how many queries had c as their largest answer and r as their second.
    :param queries: how many there were, counted or not.
    """

    counts: Array
    queries: int

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.counts)

    @property
    def counted(self) -> int:
        """The queries with one largest and one second largest answer."""
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True)
class Trace:
    """What tracing found.

    :param p: the probability that a suspect which has nothing to do with the key matches it at least as well.
    :param smallest_p: the smallest that this method can give for this number of classes.
    :param attainable_p: no key has a smaller one with these answers: near 1 where they tell keys apart badly, as when
        the queries are all of one class. Exact where all keys were enumerated, else a bound.
    :param method: ``enumeration`` of all keys, or ``draws`` of random ones.
    :param draws: how many were drawn; ``None`` if all were enumerated.
    :param seed: of the draws.
    :param score: the statistic T, in :func:`edgeguard.attacks.chance.weights`.
    :param expected_score: what it would be on average over keys.
    :param matches: the queries whose runner-up is a decoy of their class, once for each level that has it.
    :param expected: what they would be on average over keys.
    :param counted: the queries that count, of ``queries``.
    :param covered: how many classes are the largest answer of one of them.
    """

    p: float
    smallest_p: float
    attainable_p: float
    method: str
    draws: int | None
    seed: int | None
    score: int
    expected_score: float
    matches: int
    expected: float
    counted: int
    covered: int
    queries: int
    classes: int
    levels: int


def count_runner_ups(blocks: Iterable[Array], where: str, *, classes: int | None = None) -> RunnerUps:
    """Count the runner-up classes of a suspect's answers; those with tied runners-up, or tied winners, do not count.

    :param blocks: numbers ``[n, classes]`` that are larger for likelier classes: posteriors, logits or their like.
    :param where: the suspect, for messages.
    :param classes: how many there should be; ``None`` takes any.
    :raises BadData: the answers are no such numbers, too few to say anything, or nothing but labels; or there are so
        few classes that all keys are alike.
    """
    counts: Array | None = None
    queries = flat = 0
    for block in blocks:
        scores = _scores(block, where)
        if counts is None:
            _check_classes(scores.shape[1], classes, where)
            counts = np.zeros((scores.shape[1], scores.shape[1]), np.int64)
        elif scores.shape[1] != len(counts):
            raise BadData(f"answers with {len(counts)} classes, and later with {scores.shape[1]}", where=where)
        top, second, distinct = _two_largest(scores)
        np.add.at(counts, (top[distinct], second[distinct]), 1)
        queries += len(scores)
        flat += int((np.take_along_axis(scores, second[:, None], 1)[:, 0] == scores.min(axis=1)).sum())
    if counts is None or not queries:
        raise BadData("gave no answers", where=where)
    found = RunnerUps(counts, queries)
    if flat == queries:
        raise BadData(
            "gives only labels: beside its largest answer all others are the same, so there is no runner-up",
            where=where,
            fix="Ask it for probabilities; a suspect that keeps them to itself cannot be traced",
        )
    if found.counted < LEAST_COUNTED:
        raise BadData(
            f"only {found.counted} of its {queries} answers have one runner-up; tracing takes at least {LEAST_COUNTED}",
            where=where,
            fix="Ask it more queries",
        )
    return found


def trace(found: RunnerUps, key: MasterKey, *, levels: int, draws: int, seed: int) -> Trace:
    """Compare a suspect's runner-up classes with the decoys of a key.

    :param levels: of the decoys, 1 to 16: what the defense had.
    :param draws: how many keys are drawn where they cannot be enumerated; p is at least ``1 / (1 + draws)``.
    :param seed: of the draws.
    :raises MissingExtra: the package ``cryptography`` is not installed.
    """
    decoys = derangements(key, found.classes, levels)
    table = weights(found.counts)
    distribution = chance(table, levels, draws=draws, seed=seed)
    score = total_matches(table, decoys)
    # A derangement takes a class to each of the others equally often.
    share = levels / (found.classes - 1)
    drawn = distribution.method == "draws"
    return Trace(
        p=distribution.p_value(score),
        smallest_p=distribution.smallest,
        attainable_p=distribution.attainable,
        method=distribution.method,
        draws=draws if drawn else None,
        seed=seed if drawn else None,
        score=score,
        expected_score=share * int(table.sum()),
        matches=total_matches(found.counts, decoys),
        expected=share * found.counted,
        counted=found.counted,
        covered=int(found.counts.any(axis=1).sum()),
        queries=found.queries,
        classes=found.classes,
        levels=levels,
    )


def _scores(block: Array, where: str) -> Array:
    """A block as float ``[n, classes]``; axes of one behind the classes, as some networks have, are taken off."""
    if block.ndim > 2 and all(axis == 1 for axis in block.shape[2:]):
        block = block.reshape(block.shape[:2])
    if block.ndim == 1 or (block.ndim == 2 and block.shape[1] == 1):
        raise BadData(
            "gives one number for a query: labels, or the score of a single class, have no runner-up",
            where=where,
            fix="Ask it for the scores of all classes",
        )
    if block.ndim != 2 or block.dtype.kind not in "fiu":
        raise BadData(
            f"answers are {block.dtype} {['n', *block.shape[1:]]}, not numbers for each query and class", where=where
        )
    scores = block.astype(np.float64)
    # Minus infinity is the logarithm of 0, and a rank like any other.
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise BadData("answers hold NaN or infinity", where=where, fix="Check its input and its preprocessing")
    return scores


def _check_classes(classes: int, wanted: int | None, where: str) -> None:
    if wanted is not None and classes != wanted:
        raise BadData(
            f"answers with {classes} classes, not {wanted}",
            where=where,
            fix="Decoys belong to a number of classes: a suspect with another one cannot be compared",
        )
    keys = derangement_count(classes)
    # Compared so, as the number of derangements of 171 classes is too large for a float.
    if keys < 1 / LARGEST_SMALLEST_P:
        raise BadData(
            f"has {classes} classes, for which {keys} derangements exist: one in {max(keys, 1)} random keys matches "
            "as well as the true one, which proves nothing",
            where=where,
            fix="Tracing takes six classes or more",
        )


def _two_largest(scores: Array) -> tuple[Array, Array, Array]:
    """The classes of the largest and second largest score, and whether both are the only ones of their rank."""
    first, next_, after = -np.partition(-scores, (0, 1, 2), axis=1)[:, :3].T
    top = scores.argmax(axis=1)
    others = scores.copy()
    np.put_along_axis(others, top[:, None], -np.inf, 1)
    return top, others.argmax(axis=1), (first > next_) & (next_ > after)
