"""Victims that peers stand around, and posteriors of every kind."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch

from edgeguard.attacks.baselines.protocol import PeerVictim
from tests.networks import SHAPE, Tiny, inputs, trained_tiny

__all__ = ["CLASSES", "asked", "posteriors", "victim"]

Array = np.ndarray[Any, Any]

CLASSES = 10


def victim(images: int = 0, seed: int = 0) -> PeerVictim:
    """A small network with spread logits, and that many images of its owner's."""
    owned = inputs(images, seed=5).numpy() if images else None
    return PeerVictim(_network(seed), CLASSES, owned)


@functools.cache
def _network(seed: int) -> Tiny:
    return trained_tiny(seed=seed)


def asked(count: int, seed: int = 11) -> Array:
    """Queries, float32 ``[count, 3, 16, 16]``."""
    return np.asarray(torch.randn((count, *SHAPE), generator=torch.Generator().manual_seed(seed)).numpy())


def posteriors(count: int, classes: int, seed: int) -> Array:
    """From nearly undecided to certain, float64 ``[count, classes]``; some with ties and zeros."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((count, classes)) * np.exp(rng.uniform(-2, 3, (count, 1)))
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    found[::5] = np.maximum(np.round(found[::5], 1), 0)
    return np.asarray(found / found.sum(axis=1, keepdims=True))
