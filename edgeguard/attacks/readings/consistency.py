"""Consistency: images whose copies are answered with another label are not believed.

Against gates: they choose wrong classes by regions of the logits, so that a copy whose logits lie elsewhere gets
another wrong class, or the right one. An honest answer changes only where the victim itself is undecided.
"""

from __future__ import annotations

from edgeguard.attacks.readings.copies import ask_with, mirrored, moved
from edgeguard.attacks.readings.keeping import LEAST_KEPT, keep
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, TransferSet

__all__ = ["CONSISTENCY", "believe_the_consistent"]


def believe_the_consistent(transfer: TransferSet, thief: Thief) -> Lesson:  # noqa: ARG001  (a Reading knows its thief, this one need not)
    """The answers as they are to images all of whose copies have the same label.

    Where these are less than a quarter of the answers of a class, those join them on which most copies agree, and of
    these the surest. Without copies every image is consistent.
    """
    labels = transfer.answers.argmax(axis=1)
    agreeing = (transfer.again.argmax(axis=2) == labels[:, None]).sum(axis=1)
    # Confidences are at most one, so that they decide only among equal numbers.
    trust = agreeing + transfer.answers.max(axis=1) / 2
    kept = keep(agreeing == transfer.again.shape[1], trust, labels)
    return Lesson(transfer.inputs[kept], transfer.answers[kept], kept)


_CHANGES = (mirrored, moved)

CONSISTENCY = Strategy(
    "consistency",
    "drops images whose mirror image or moved copy is answered with another label: three queries each; keeps at least "
    f"{LEAST_KEPT:.0%} of each class",
    believe_the_consistent,
    ask_with(*_CHANGES),
    1 + len(_CHANGES),
)
