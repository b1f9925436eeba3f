"""One theft from beginning to end: images chosen, answers bought and read, a clone trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.queries.protocol import QueryStrategy
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, Pool, TransferSet

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Stolen", "steal"]


@dataclass(frozen=True, eq=False, slots=True)
class Stolen:
    """What a thief has in the end.

    :param clone: answers with logits, in evaluation mode.
    :param transfer: what he bought.
    :param lesson: what he made of it.
    """

    clone: nn.Module
    transfer: TransferSet
    lesson: Lesson


def steal(oracle: Oracle, pool: Pool, queries: int, choose: QueryStrategy, strategy: Strategy, thief: Thief) -> Stolen:
    """Spend the queries, and train a clone on the answers.

    :raises UsageError: the pool or the number of queries is too small for the strategies.
    :raises BudgetSpent: the oracle answers fewer.
    """
    transfer = choose(oracle, pool, queries, strategy, thief)
    lesson = strategy.reading(transfer, thief)
    recipe = replace(thief.recipe, objective=strategy.objective)
    return Stolen(thief.train(thief.student, lesson, recipe, thief.seed), transfer, lesson)
