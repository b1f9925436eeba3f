"""A learned inverse of a defense: a small network from answers to the posteriors behind them.

The recovery of D-DAE (Chen et al., "D-DAE: Defense-Penetrating Model Extraction Attacks", IEEE S&P 2023), without its
detector of the defense: our thief knows which it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgeguard.attacks.isolation import isolated, seeded

__all__ = ["fit_inverse"]

Array = np.ndarray[Any, Any]

_WIDTH = 128
_EPOCHS = 24
_BATCH = 256
_RATE = 5e-3
_TINY = 1e-6


def fit_inverse(answers: Array, posteriors: Array, seed: int) -> Callable[[Array], Array]:
    """Learn from pairs; by cross entropy, so that what is learnt is the mean posterior behind an answer.

    The network sees the answers and their logarithms, standardized: what a defense did to small entries shows there.

    :param answers: ``[n, classes]``.
    :param posteriors: what they were made from, ``[n, classes]``.
    :returns: from answers to estimates, float32 of the same shape, each row a distribution.
    """
    classes = answers.shape[1]
    features, targets = _features(answers), torch.from_numpy(posteriors.astype(np.float32))
    mean, spread = features.mean(dim=0), features.std(dim=0).clamp_min(_TINY)
    inputs = (features - mean) / spread
    with isolated(), seeded(seed):
        network = nn.Sequential(
            nn.Linear(2 * classes, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, classes)
        )
        optimizer = torch.optim.Adam(network.parameters())
        steps = _EPOCHS * -(-len(inputs) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
        for _ in range(_EPOCHS):
            for chosen in torch.randperm(len(inputs)).split(_BATCH):  # type: ignore[no-untyped-call]
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(inputs[chosen]), targets[chosen]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()

    def invert(given: Array) -> Array:
        # What lies far from everything that was learnt from must not become infinite.
        standard = ((_features(given) - mean) / spread).clamp(-10, 10)
        with isolated(), torch.inference_mode():
            return np.asarray(network(standard).softmax(dim=1).numpy())

    return invert


def _features(answers: Array) -> Tensor:
    answers = answers.astype(np.float32)
    return torch.from_numpy(np.concatenate([answers, np.log(answers + _TINY)], axis=1))
