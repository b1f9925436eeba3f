"""Second opinions: what students say of images that they were not taught."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.prior import posteriors_of
from edgeguard.attacks.readings.top_1 import labels_of
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.training import predict
from edgeguard.attacks.transfer import Lesson, TransferSet

__all__ = ["second_opinions"]

Array = np.ndarray[Any, Any]

# A half of less teaches nothing, and some students cannot be trained on a single image.
_SMALLEST_HALF = 2


def second_opinions(transfer: TransferSet, thief: Thief) -> Array:
    """Distributions, float32 ``[n, classes]``: of two halves each is judged by a student of the other.

    The students learn from labels: confidences of a defended victim are not to be believed. The halves depend on the
    seed alone, so that strategies that ask for opinions on the same answers share the students. Of fewer than four
    images nobody has an opinion: the labels themselves.
    """
    labels = labels_of(transfer.answers)
    if len(transfer) < 2 * _SMALLEST_HALF:
        return labels
    opinions = np.empty_like(labels)
    halves = np.array_split(np.random.default_rng([thief.seed, 4]).permutation(len(transfer)), 2)
    for taught, judged in (halves, halves[::-1]):
        chosen = np.sort(taught)
        lesson = Lesson(transfer.inputs[chosen], labels[chosen], chosen)
        student = thief.train(thief.student, lesson, thief.recipe, thief.seed)
        opinions[judged] = posteriors_of(predict(student, transfer.inputs[judged]))
    return opinions
