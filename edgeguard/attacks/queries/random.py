"""Images drawn at random from the pool: KnockoffNets' random strategy (Orekondy et al., CVPR 2019, section 4.1).

Where the pool comes from the victim's own distribution, this is the attack with in-distribution queries.
"""

from __future__ import annotations

import numpy as np

from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Pool, TransferSet
from edgeguard.errors import UsageError

__all__ = ["random_queries"]


def random_queries(oracle: Oracle, pool: Pool, queries: int, strategy: Strategy, thief: Thief) -> TransferSet:
    """Each image of the pool at most once."""
    images = queries // strategy.cost
    if not 1 <= images <= len(pool):
        raise UsageError(
            f"{queries} queries of {strategy.cost} an image ask for {images} images, and the thief has {len(pool)}",
            fix="Name a number of queries that his images allow",
        )
    chosen = np.random.default_rng(thief.seed).permutation(len(pool))[:images]
    return strategy.asking(oracle, pool.inputs[np.sort(chosen)], thief.seed)
