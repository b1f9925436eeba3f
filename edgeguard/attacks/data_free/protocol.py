"""What a data-free attack is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edgeguard.attacks.data_free.canvas import Canvas
from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.thief import Thief

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DataFreeAttack"]


class DataFreeAttack(Protocol):
    """Steals without images."""

    def __call__(self, oracle: Oracle, thief: Thief, queries: int, canvas: Canvas) -> nn.Module:
        """The clone, in evaluation mode, answering with logits ``[n, classes]``.

        It learns while the thief asks: of the thief only the student and the seed count, not his recipe nor what he
        knows.

        :param oracle: gives all answers that the attack uses, also those for the generator's gradients.
        :param queries: exactly so many are asked.
        :raises UsageError: they are fewer than one round takes, or the student cannot take such images.
        :raises BudgetSpent: the oracle answers fewer.
        """
