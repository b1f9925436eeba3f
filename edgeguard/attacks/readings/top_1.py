"""Top-1: only the most likely class of each answer is believed, as if the API gave labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, TransferSet

__all__ = ["TOP_1", "believe_labels", "labels_of"]

Array = np.ndarray[Any, Any]


def labels_of(answers: Array) -> Array:
    """One-hot rows of the most likely classes, float32 ``[n, classes]``."""
    one_hot: Array = np.eye(answers.shape[1], dtype=np.float32)[answers.argmax(axis=1)]
    return one_hot


def believe_labels(transfer: TransferSet, thief: Thief) -> Lesson:  # noqa: ARG001  (a Reading knows its thief, this one need not)
    """Hard targets: the label of each answer."""
    return Lesson(transfer.inputs, labels_of(transfer.answers), np.arange(len(transfer)))


TOP_1 = Strategy("top-1", "trains on the labels of the answers: no defense that keeps the argmax helps", believe_labels)
