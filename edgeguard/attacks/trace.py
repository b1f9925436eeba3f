"""Tracing: did a suspect learn from answers that the defense ``decoy`` gave under a certain key?

A defended model puts much of what the likeliest class leaves on that class's decoy, and a clone trained on such answers
ranks the decoy higher than it would by nature: see :mod:`edgeguard.attacks.ranks`. So the classes that a suspect ranks
high are compared with the key's decoys, and the comparison with that of random keys: see
:mod:`edgeguard.attacks.chance`, also for why the p-value is valid. Own design.

The key's decoys at the lowest level of confidence are looked for, unless more levels are asked for: nearly all that a
thief asks is answered there, and a decoy has most to show. Those of the levels above carry little mass, and add their
chance to the sum.

What the p-value presupposes is up to who uses it: the queries were chosen without the key, the key was fixed before
the suspect existed (its published commitment shows that), and whoever tries several suspects, keys, sets of queries or
numbers of levels multiplies the smallest p by their number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.attacks.chance import chance, derangement_count, total_score
from edgeguard.attacks.ranks import Ranks, excess, rank_answers, table_of
from edgeguard.defenses.codebook import MOST_LEVELS
from edgeguard.defenses.decoys import derangements
from edgeguard.errors import BadData
from edgeguard.keys import MasterKey

__all__ = [
    "DEFAULT_DRAWS",
    "DEFAULT_LEVELS",
    "LARGEST_SMALLEST_P",
    "LEAST_COUNTED",
    "MOST_LEVELS",
    "Trace",
    "rank_all",
    "trace",
]

Array = np.ndarray[Any, Any]

DEFAULT_LEVELS = 1
# Makes 1 / (1 + N) 5e-6.
DEFAULT_DRAWS = 199_999
# A p-value is valid for any number, but with fewer queries even a faithful clone stays within chance.
LEAST_COUNTED = 100
# One level's derangement must be able to be this improbable: for up to five classes all keys are too much alike.
# Answers with which no key can get there say nothing either.
LARGEST_SMALLEST_P = 0.01


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
    :param score: by how many ranks a decoy stands higher than it should, the mean over classes and levels; see
        :func:`edgeguard.attacks.ranks.excess`.
    :param expected_score: what that would be on average over keys.
    :param counted: the queries that count, of ``queries``.
    :param covered: how many classes are the largest answer of one of them.
    """

    p: float
    smallest_p: float
    attainable_p: float
    method: str
    draws: int | None
    seed: int | None
    score: float
    expected_score: float
    counted: int
    covered: int
    queries: int
    classes: int
    levels: int


def rank_all(blocks: Iterable[Array], where: str, *, classes: int | None = None) -> tuple[Ranks, int]:
    """Rank the classes in a suspect's answers; also how many answers there were, counted or not.

    Answers with tied winners do not count, nor those that are no more than a label.

    :param blocks: numbers ``[n, classes]`` that are larger for likelier classes: posteriors, logits or their like.
    :param where: the suspect, for messages.
    :param classes: how many there should be; ``None`` takes any.
    :raises BadData: the answers are no such numbers, too few to say anything, or nothing but labels; or there are so
        few classes that all keys are alike.
    """
    ranks: Ranks | None = None
    queries = flat = 0
    for block in blocks:
        scores = _scores(block, where)
        if ranks is None:
            _check_classes(scores.shape[1], classes, where)
            ranks = Ranks.none(scores.shape[1])
        elif scores.shape[1] != ranks.classes:
            raise BadData(f"answers with {ranks.classes} classes, and later with {scores.shape[1]}", where=where)
        flat += rank_answers(ranks, scores)
        queries += len(scores)
    if ranks is None or not queries:
        raise BadData("gave no answers", where=where)
    if flat == queries:
        raise BadData(
            "gives only labels: beside its largest answer all others are the same, so they have no ranks",
            where=where,
            fix="Ask it for probabilities; a suspect that keeps them to itself cannot be traced",
        )
    if ranks.counted < LEAST_COUNTED:
        raise BadData(
            f"only {ranks.counted} of its {queries} answers have one largest and tell the other classes apart; tracing "
            f"takes at least {LEAST_COUNTED}",
            where=where,
            fix="Ask it more queries",
        )
    return ranks, queries


def trace(ranks: Ranks, queries: int, key: MasterKey, *, levels: int, draws: int, seed: int) -> Trace:
    """Compare the classes that a suspect ranks high with the decoys of a key.

    :param levels: how many of the decoys' levels to look at, from the lowest: 1 to 16.
    :param draws: how many keys are drawn where they cannot be enumerated; p is at least ``1 / (1 + draws)``.
    :param seed: of the draws.
    :raises MissingExtra: the package ``cryptography`` is not installed.
    """
    decoys = derangements(key, ranks.classes, levels)
    higher = excess(ranks)
    table = table_of(higher)
    distribution = chance(table, levels, draws=draws, seed=seed)
    drawn = distribution.method == "draws"
    return Trace(
        p=distribution.p_value(total_score(table, decoys)),
        smallest_p=distribution.smallest,
        attainable_p=distribution.attainable,
        method=distribution.method,
        draws=draws if drawn else None,
        seed=seed if drawn else None,
        score=float(higher[np.arange(ranks.classes), decoys].mean()),
        # A derangement takes a class to each of the others equally often; the diagonal is zero.
        expected_score=float(higher.sum() / (ranks.classes * (ranks.classes - 1))),
        counted=ranks.counted,
        covered=ranks.covered,
        queries=queries,
        classes=ranks.classes,
        levels=levels,
    )


def _scores(block: Array, where: str) -> Array:
    """A block as float ``[n, classes]``; axes of one behind the classes, as some networks have, are taken off."""
    if block.ndim > 2 and all(axis == 1 for axis in block.shape[2:]):
        block = block.reshape(block.shape[:2])
    if block.ndim == 1 or (block.ndim == 2 and block.shape[1] == 1):
        raise BadData(
            "gives one number for a query: labels, or the score of a single class, rank nothing",
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
