"""Torch's global settings, set for a while and put back: what is computed must not depend on who computes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["isolated", "seeded"]


@contextmanager
def isolated() -> Iterator[None]:
    """One thread, and the same algorithms every time.

    Sums over a batch are split among threads, so that another number of them would train another network.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=True):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator, from which layers draw their weights, as if it had been seeded just now."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
