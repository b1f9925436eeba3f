"""How likely a suspect finds each class beside its answer, less what networks confuse anyway.

A clone of a model behind the defense ``decoy`` ranks the decoy of a class high among the answers of that class, but so
it ranks whatever looks like it. Two things tell them apart:

- Mean ranks, not counts of runners-up: a decoy that stays third behind a natural runner-up counts as well.
- Natural confusion is nearly symmetric: a network to which cats look like dogs takes dogs for cats. Decoys are not: a
  derangement that takes c to r takes r to c by chance only. So half of the rank that c has among the answers r is taken
  off the rank that r has among the answers c; all of it would cost the keys that do exchange two classes.

Measured on clones of a ResNet-20 (``benchmarks/results/defense_quality.md``): counted runners-up, also in logarithms,
follow what every network confuses and miss the owner's key, mean ranks alone find it sometimes, and less half of the
mirrored ones always. The half was chosen looking at clones under two keys, and held for a third, trained afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Ranks", "excess", "rank_answers", "table_of"]

Array = np.ndarray[Any, Any]

# What is taken off of the mirrored rank.
_MIRRORED = 0.5
# A row of n answers counts n / (n + 8) of what it says: of a single one, hardly anything.
_PRIOR_ANSWERS = 8
# Tables are in hundredths of a rank: whole numbers add up without error.
_RANK_UNIT = 100
# Elements ranked at once: bounds memory, and fits a cache.
_BLOCK_ELEMENTS = 1 << 18


@dataclass(frozen=True, eq=False, slots=True)
class Ranks:
    """What a suspect answered, as far as it matters.

    :param doubled: int64 ``[classes, classes]``: the sum of twice the ranks that class r has, the least likely having
        0, in the answers whose largest is c. Tied classes share the mean of their ranks, so that twice it is whole.
    :param answered: int64 ``[classes]``: how many answers these are.
    """

    doubled: Array
    answered: Array

    @classmethod
    def none(cls, classes: int) -> Ranks:
        """Of no answers yet."""
        return cls(np.zeros((classes, classes), np.int64), np.zeros(classes, np.int64))

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.answered)

    @property
    def counted(self) -> int:
        """The answers with one largest, and a difference between the others."""
        return int(self.answered.sum())

    @property
    def covered(self) -> int:
        """How many classes are the largest of one of them."""
        return int(np.count_nonzero(self.answered))


def rank_answers(ranks: Ranks, scores: Array) -> int:
    """Add answers to ``ranks``, in place; returns how many say nothing but a label, all other classes being tied.

    Neither those nor answers with a tied largest count.

    :param scores: numbers ``[n, classes]``, at least three classes; may be minus infinity, not NaN.
    """
    step = max(1, _BLOCK_ELEMENTS // ranks.classes)
    return sum(_rank_block(ranks, scores[start : start + step]) for start in range(0, len(scores), step))


def excess(ranks: Ranks) -> Array:
    """How much higher r is ranked among the answers c than it should be, float64 ``[classes, classes]``, in ranks.

    Ranks are taken less their mean (K - 2) / 2, which is all that is known of a class never answered: its row is zero,
    for its decoys are nowhere to be seen, and where it is mirrored nothing is taken off.
    """
    answered = ranks.answered[:, None]
    mean = ranks.doubled / (2.0 * np.maximum(answered, 1)) - (ranks.classes - 2) / 2
    weight = answered / (answered + float(_PRIOR_ANSWERS))
    found: Array = weight * (mean - _MIRRORED * (weight * mean).T)
    np.fill_diagonal(found, 0)
    return found


def table_of(excess: Array) -> Array:
    """The table that :func:`edgeguard.attacks.chance.chance` takes: hundredths, int64, the smallest being 0.

    For up to ten classes their sums stay below the number at which sums would be binned.
    """
    table: Array = np.rint(_RANK_UNIT * excess).astype(np.int64)
    # The diagonal belongs to no derangement.
    table -= table[~np.eye(len(table), dtype=bool)].min()
    np.fill_diagonal(table, 0)
    return table


def _rank_block(ranks: Ranks, scores: Array) -> int:
    order = scores.argsort(axis=1)
    ordered = np.take_along_axis(scores, order, 1)
    rises = ordered[:, 1:] > ordered[:, :-1]
    sure = rises[:, -1]
    flat = ~rises[:, :-1].any(axis=1)
    counts = sure & ~flat
    top = order[counts, -1]
    doubled = np.empty((len(top), ranks.classes), np.int64)
    np.put_along_axis(doubled, order[counts], _doubled_places(rises[counts]), 1)
    by_class = top.argsort(kind="stable")
    found, starts = np.unique(top[by_class], return_index=True)
    if len(found):
        ranks.doubled[found] += np.add.reduceat(doubled[by_class], starts, axis=0)
        ranks.answered[found] += np.diff(starts, append=len(top))
    return int(flat.sum())


def _doubled_places(rises: Array) -> Array:
    """Twice the mean place of those tied with each place, from where numbers rise from a place to the next."""
    classes = rises.shape[1] + 1
    first = np.zeros((len(rises), classes), np.int64)
    last = np.full((len(rises), classes), classes - 1)
    first[:, 1:] = np.where(rises, np.arange(1, classes), 0)
    last[:, :-1] = np.where(rises, np.arange(classes - 1), classes - 1)
    first = np.maximum.accumulate(first, axis=1)
    found: Array = first + np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    return found
