"""Row filtering: of answers that come more often than they should, those least believed are dropped.

Against gates before a table of answers: every cell of gated queries is answered with one row, so that a large cell
shows as a row that comes too often. How often it should come, the thief must guess from what he has:

- The level of an answer says nothing of its class, so that within a class levels should be distributed as within the
  others: ``profile[l]`` is the median over classes of the share of level l. A gate that floods a row bends its class.
- How often a class should come is told by a second opinion: by the labels that students of the other images give, not
  by their probabilities. Those add up to what they were taught, wrong labels included (where the gradient of a bias
  vanishes, the mean of a probability is the share of the label), while wrong labels in the minority everywhere are
  outvoted in the largest one.
- His own copy of the defense cannot tell: how often a level comes depends on the victim's logits, which he has not, and
  which cell goes to which row on a key that he has not.

With n[c, l] answers of class c and level l, and m[c] second opinions, m[c] profile[l] are expected. Rows above that by
more than three standard deviations of a Poisson number are flooded, by the difference. Which of its images are the
wrong ones, a row does not say: as many as flood it are dropped, those first to which the second opinion gives the row's
class the least.

The gates of edgeguard draw their rows such that the gated answers to the owner's reference are distributed as honest
ones are. So this finds no more than the thief's images differ from that reference, and of the reference itself nothing.
Where answers are from no table, and so hardly repeat, there are no rows to count, and all labels are believed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.readings.folds import second_opinions
from edgeguard.attacks.readings.keeping import LEAST_KEPT, keep
from edgeguard.attacks.readings.top_1 import labels_of
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, TransferSet
from edgeguard.defenses.codebook import MOST_LEVELS

__all__ = ["ROW_FILTERING", "believe_expected_rows", "flooded", "levels_of"]

Array = np.ndarray[Any, Any]

_DEVIATIONS = 3.0
# Confidences of levels that lie nearer than this are one: below the grid that answers of an int8 artifact are on.
_STEP = 1 / 512


def levels_of(answers: Array) -> Array | None:
    """The level of each answer by its largest entry, int64 ``[n]``; ``None`` if there are more than a table has."""
    steps = np.rint(answers.max(axis=1).astype(np.float64) / _STEP)
    found, levels = np.unique(steps, return_inverse=True)
    return None if len(found) > MOST_LEVELS else levels.reshape(-1)


def flooded(labels: Array, levels: Array, second: Array, classes: int) -> Array:
    """By how many answers each row exceeds what is expected, int64 ``[classes, levels]``; 0 where chance explains it.

    :param labels: classes of the answers, int64 ``[n]``.
    :param levels: of the answers, int64 ``[n]``, counted from 0.
    :param second: classes by a second opinion, int64 ``[n]``.
    """
    table = np.zeros((classes, levels.max() + 1))
    np.add.at(table, (labels, levels), 1)
    answered = table.sum(axis=1, keepdims=True)
    profile = np.median((table / np.maximum(answered, 1))[answered[:, 0] > 0], axis=0)
    # A level that fewer than half of the classes have is expected as often as it comes.
    profile = np.where(profile > 0, profile, table.sum(axis=0) / len(labels))
    expected = np.outer(np.bincount(second, minlength=classes), profile / profile.sum())
    excess = table - expected
    return np.where(excess > _DEVIATIONS * np.sqrt(np.maximum(expected, 1)), np.rint(excess), 0).astype(np.int64)


def believe_expected_rows(transfer: TransferSet, thief: Thief) -> Lesson:
    """The labels of all but the least believed answers of flooded rows; at least a quarter of each class."""
    labels, levels = transfer.answers.argmax(axis=1), levels_of(transfer.answers)
    trusted, trust = np.ones(len(labels), bool), np.zeros(len(labels))
    if levels is not None:
        opinions = second_opinions(transfer, thief)
        trust = opinions[np.arange(len(labels)), labels]
        excess = flooded(labels, levels, opinions.argmax(axis=1), transfer.classes)
        for own, level in np.argwhere(excess > 0):
            mine = np.flatnonzero((labels == own) & (levels == level))
            trusted[mine[np.argsort(trust[mine], kind="stable")[: excess[own, level]]]] = False
    kept = keep(trusted, trust, labels)
    return Lesson(transfer.inputs[kept], labels_of(transfer.answers[kept]), kept)


ROW_FILTERING = Strategy(
    "row-filtering",
    "drops the least believed answers of table rows that come more often than students of the other half expect; keeps "
    f"at least {LEAST_KEPT:.0%} of each class",
    believe_expected_rows,
)
