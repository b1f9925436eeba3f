"""Smoothing: each image is asked as it is and as changed copies, and the mean of the answers is believed.

Against defenses that move answers by something that depends on the query, such as noise: it averages out. One of the
attacks that ModelGuard (Tang et al., USENIX Security 2024) is held against.
"""

from __future__ import annotations

import numpy as np

from edgeguard.attacks.readings.copies import ask_with, mirrored, moved
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, TransferSet

__all__ = ["SMOOTHING", "believe_the_mean"]


def believe_the_mean(transfer: TransferSet, thief: Thief) -> Lesson:  # noqa: ARG001  (a Reading knows its thief, this one need not)
    """Soft targets: the mean over the answers to an image and to its copies."""
    answers = np.concatenate([transfer.answers[:, None], transfer.again], axis=1)
    return Lesson(transfer.inputs, answers.mean(axis=1), np.arange(len(transfer)))


_CHANGES = (mirrored, moved, moved)

SMOOTHING = Strategy(
    "smoothing",
    "trains on the mean of the answers to an image, its mirror image and two moved ones: four queries each",
    believe_the_mean,
    ask_with(*_CHANGES),
    1 + len(_CHANGES),
)
