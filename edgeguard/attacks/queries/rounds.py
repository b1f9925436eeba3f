"""What strategies that ask in rounds have in common: answers put together, and a student to choose by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import TransferSet

if TYPE_CHECKING:
    from torch import nn

__all__ = ["interim_student", "joined"]


def joined(parts: Sequence[TransferSet]) -> TransferSet:
    """One transfer set of several, at least one, bought one after the other from one victim."""
    return TransferSet(
        np.concatenate([part.inputs for part in parts]),
        np.concatenate([part.answers for part in parts]),
        np.concatenate([part.again for part in parts]),
        sum(part.queries for part in parts),
    )


def interim_student(transfer: TransferSet, strategy: Strategy, thief: Thief) -> nn.Module:
    """A student of what was bought so far, read and trained as the clone will be in the end.

    The papers train theirs on the answers as they are. A thief who knows better in the end knows better on the way.
    """
    lesson = strategy.reading(transfer, thief)
    recipe = replace(thief.recipe, objective=strategy.objective)
    return thief.train(thief.student, lesson, recipe, thief.seed)
