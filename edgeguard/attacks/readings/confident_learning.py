"""Confident learning: images whose label a student of the other images is confident to be wrong are dropped.

After Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021). With
p_j(x) what a student of other images gives class j, students are confident of a class from its threshold on::

    t_j = mean of p_j over the images labelled j
    x belongs to the likeliest of the classes j with p_j(x) >= t_j, if there are any

and an image that belongs to another class than its label is a label error (their confident joint, off its diagonal).
Against flipped labels, however they were chosen: a flip helps the owner only if a student cannot tell it.
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

__all__ = ["CONFIDENT_LEARNING", "believe_the_confirmed", "label_errors"]

Array = np.ndarray[Any, Any]


def label_errors(labels: Array, opinions: Array) -> Array:
    """Which labels are thought wrong, bool ``[n]``.

    :param labels: int64 ``[n]``.
    :param opinions: distributions, ``[n, classes]``, each by somebody who did not see the label.
    """
    thresholds = np.full(opinions.shape[1], np.inf)
    for own in np.unique(labels):
        thresholds[own] = opinions[labels == own, own].mean()
    confident = np.where(opinions >= thresholds, opinions, -1.0)
    return np.asarray((confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != labels))


def believe_the_confirmed(transfer: TransferSet, thief: Thief) -> Lesson:
    """The labels of the images that are no label errors.

    Where these are less than a quarter of a class, the likeliest of the others by the second opinion join them.
    """
    labels = transfer.answers.argmax(axis=1)
    opinions = second_opinions(transfer, thief)
    kept = keep(~label_errors(labels, opinions), opinions[np.arange(len(labels)), labels], labels)
    return Lesson(transfer.inputs[kept], labels_of(transfer.answers[kept]), kept)


CONFIDENT_LEARNING = Strategy(
    "confident-learning",
    "trains on the labels that students of the other half do not confidently contradict; keeps at least "
    f"{LEAST_KEPT:.0%} of each class",
    believe_the_confirmed,
)
