"""Who comes when: the order of turns within each block, such that no variant gains from its place."""

from __future__ import annotations

import random
from collections.abc import Sequence

__all__ = ["block_orders", "creation_order", "process_random"]


def process_random(seed: int, process: int) -> random.Random:
    """The source of randomness of one process, the same whenever seed and process are."""
    return random.Random(f"edgeguard bench {seed} {process}")


def creation_order(names: Sequence[str], rng: random.Random) -> tuple[str, ...]:
    """A random order in which to load the variants."""
    return tuple(rng.sample(list(names), len(names)))


def block_orders(names: Sequence[str], blocks: int, rng: random.Random) -> tuple[tuple[str, ...], ...]:
    """One order per block.

    Each group of ``len(names)`` blocks holds the rotations of one random order: every variant takes every place once.
    The next group is a rotation of the reversed order, so that every variant also follows another neighbour.
    """
    orders: list[tuple[str, ...]] = []
    while len(orders) < blocks:
        base = rng.sample(list(names), len(names))
        for chosen in (base, base[::-1]):
            shift = rng.randrange(len(names))
            turned = chosen[shift:] + chosen[:shift]
            orders += [tuple(turned[step:] + turned[:step]) for step in range(len(turned))]
    return tuple(orders[:blocks])
