"""Naive: the answers are believed as they are."""

from __future__ import annotations

import numpy as np

from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, TransferSet

__all__ = ["NAIVE", "believe"]


def believe(transfer: TransferSet, thief: Thief) -> Lesson:  # noqa: ARG001  (a Reading knows its thief, this one need not)
    """Soft targets, as they came."""
    return Lesson(transfer.inputs, transfer.answers, np.arange(len(transfer)))


NAIVE = Strategy("naive", "trains on the answers as they are", believe)
