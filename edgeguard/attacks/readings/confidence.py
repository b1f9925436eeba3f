"""Filtering by confidence: the least sure answers of each class are not believed, and of the others only the label.

Against gates: they answer wrongly where the network is unsure. Within a class, so that none is filtered away.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.readings.top_1 import labels_of
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, TransferSet

__all__ = ["FILTERING", "SHARE_KEPT", "believe_the_sure", "surest"]

Array = np.ndarray[Any, Any]

# What a thief keeps who spends a budget of queries on it: less costs him more images than it spares him wrong answers.
SHARE_KEPT = 0.75


def surest(answers: Array, share: float) -> Array:
    """Which answers are among the surest of their class, sorted int64 ``[m]``.

    :param answers: ``[n, classes]``.
    :param share: of each class that is kept, at least one answer; among equally sure ones the first are.
    """
    top, sure = answers.argmax(axis=1), answers.max(axis=1)
    kept = []
    for own in np.unique(top):
        mine = np.flatnonzero(top == own)
        order = np.argsort(-sure[mine], kind="stable")
        kept.append(mine[order[: max(1, round(share * len(mine)))]])
    return np.sort(np.concatenate(kept))


def believe_the_sure(transfer: TransferSet, thief: Thief) -> Lesson:  # noqa: ARG001  (a Reading knows its thief, this one need not)
    """The labels of the surest answers of each class."""
    kept = surest(transfer.answers, SHARE_KEPT)
    return Lesson(transfer.inputs[kept], labels_of(transfer.answers[kept]), kept)


FILTERING = Strategy(
    "filtering", f"trains on the labels of the surest {SHARE_KEPT:.0%} of the answers of each class", believe_the_sure
)
