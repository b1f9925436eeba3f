"""Learned inverses (the attack of D-DAE): a network that was shown pairs of answers and true posteriors.

The pairs are the strongest that a thief can have: of the very queries that he asks, under the very key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Recovery", "learned_inverse", "recovery", "row_medians"]

Array = np.ndarray[Any, Any]

_WIDTH = 128
_EPOCHS = 40
_BATCH = 256
_RATE = 5e-3
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Recovery:
    """How close estimates come to true posteriors.

    :param distance: mean L1.
    :param gated_distance: mean L1 over the gated queries alone; NaN if there are none.
    :param top: share of queries whose most likely class is right.
    :param gated_top: likewise over gated queries.
    """

    distance: float
    gated_distance: float
    top: float
    gated_top: float


def recovery(estimates: Array, truth: Array, gated: Array) -> Recovery:
    """How close estimates come."""
    distance = np.abs(estimates - truth).sum(axis=1)
    right = estimates.argmax(axis=1) == truth.argmax(axis=1)
    some = bool(gated.any())
    return Recovery(
        float(distance.mean()),
        float(distance[gated].mean()) if some else float("nan"),
        float(right.mean()),
        float(right[gated].mean()) if some else float("nan"),
    )


def learned_inverse(
    answers: Array, truth: Array, *, loss: Literal["cross-entropy", "l1"] = "l1", seed: int = 0
) -> Callable[[Array], Array]:
    """A network of two hidden layers from answers to posteriors.

    Trained by cross entropy, as autoencoders for this are, it learns the mean posterior behind an answer; trained to
    come close in L1, by which it is judged, the median, which is the harder attacker.

    It sees the answers and their logarithms, standardized: what a defense did to small entries is easier to see there.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    classes = answers.shape[1]
    network = nn.Sequential(
        nn.Linear(2 * classes, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, classes)
    )
    optimizer = torch.optim.Adam(network.parameters())
    steps = _EPOCHS * -(-len(answers) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    features = _features(answers)
    mean, spread = features.mean(dim=0), features.std(dim=0).clamp_min(_TINY)
    inputs, targets = (features - mean) / spread, torch.from_numpy(truth.astype(np.float32))
    for _ in range(_EPOCHS):
        for chosen in torch.randperm(len(inputs)).split(_BATCH):
            optimizer.zero_grad()
            _loss(network(inputs[chosen]), targets[chosen], loss).backward()
            optimizer.step()
            schedule.step()

    @torch.inference_mode()
    def invert(given: Array) -> Array:
        return np.asarray(network((_features(given) - mean) / spread).softmax(dim=1).numpy())

    return invert


def _loss(logits: Tensor, targets: Tensor, loss: Literal["cross-entropy", "l1"]) -> Tensor:
    if loss == "cross-entropy":
        return nn.functional.cross_entropy(logits, targets)
    return (logits.softmax(dim=1) - targets).abs().sum(dim=1).mean()


def row_medians(answers: Array, truth: Array) -> Callable[[Array], Array]:
    """The best estimate there is from a table's answers alone: for each row the median of the posteriors behind it."""
    rows, kind = np.unique(answers, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    medians = np.stack([np.median(truth[kind == row], axis=0) for row in range(len(rows))])
    known = {row.tobytes(): median for row, median in zip(rows, medians, strict=True)}
    return lambda given: np.stack([known.get(answer.tobytes(), answer) for answer in given])


def _features(answers: Array) -> Tensor:
    answers = answers.astype(np.float32)
    return torch.from_numpy(np.concatenate([answers, np.log(answers + _TINY)], axis=1))
