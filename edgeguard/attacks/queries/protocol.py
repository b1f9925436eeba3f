"""What a query strategy is."""

from __future__ import annotations

from typing import Protocol

from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Pool, TransferSet

__all__ = ["QueryStrategy"]


class QueryStrategy(Protocol):
    """Chooses images and buys answers to them. Satisfied by plain functions."""

    def __call__(self, oracle: Oracle, pool: Pool, queries: int, strategy: Strategy, thief: Thief) -> TransferSet:
        """Spend the queries.

        :param queries: how many to ask at most; each image costs ``strategy.cost`` of them, and is asked by
            ``strategy.asking``.
        :raises UsageError: the pool or the number of queries is too small for it.
        :raises BudgetSpent: the oracle answers fewer.
        """
