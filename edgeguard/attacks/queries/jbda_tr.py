"""Images made of a few by steps towards other classes: Jacobian-based dataset augmentation with random targets.

From Papernot et al., "Practical Black-Box Attacks against Machine Learning" (AsiaCCS 2017): a student is trained on a
few seed images, each image is moved along the student's gradient to make another one, the victim is asked those, and so
on, the set doubling each time. The direction T-RND is of Juuti et al., "PRADA: Protecting Against DNN Model Stealing
Attacks" (EuroS&P 2019): small steps that lower the student's loss of a random class, here one that the victim did not
answer. With L the cross entropy, t the target and r_c the range of channel c over the thief's images::

    x <- clip(x - lambda r_c sign(dL(student(x), t) / dx))      five times, lambda = 0.02

so that no pixel moves further than a tenth of its range: Papernot's step. Pixels stay in the range of their channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from edgeguard.attacks.isolation import isolated
from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.queries.rounds import interim_student, joined
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Pool, TransferSet
from edgeguard.errors import UsageError

__all__ = ["jbda_tr_queries", "random_targets", "stepped"]

Array = np.ndarray[Any, Any]

# Papernot's number of substitute epochs: 10,000 queries grow from 157 images.
_DOUBLINGS = 6
_STEPS = 5
_STEP = 0.02
_BLOCK = 500


def jbda_tr_queries(oracle: Oracle, pool: Pool, queries: int, strategy: Strategy, thief: Thief) -> TransferSet:
    """Seeds from the pool, doubled up to six times; the last round makes only as many as may still be asked.

    :raises UsageError: the pool has fewer images than the seeds, or there are too few queries for two images.
    """
    images = queries // strategy.cost
    seeds = max(2, -(-images // 2**_DOUBLINGS))
    if not seeds <= images or seeds > len(pool):
        raise UsageError(
            f"{queries} queries of {strategy.cost} an image grow from {seeds} images to {images}, and the thief has "
            f"{len(pool)}",
            fix="Name a number of queries that his images allow",
        )
    rng = np.random.default_rng(thief.seed)
    chosen = np.sort(rng.permutation(len(pool))[:seeds])
    bought = strategy.asking(oracle, pool.inputs[chosen], thief.seed)
    turn = 0
    while len(bought) < images:
        turn += 1
        student = interim_student(bought, strategy, thief)
        base = np.sort(rng.permutation(len(bought))[: images - len(bought)])
        targets = random_targets(bought.answers[base].argmax(axis=1), bought.classes, rng)
        made = stepped(student, bought.inputs[base], targets, pool)
        bought = joined([bought, strategy.asking(oracle, made, thief.seed + turn)])
    return bought


def random_targets(labels: Array, classes: int, rng: np.random.Generator) -> Array:
    """For each label another class, all others being equally likely, int64 ``[n]``; classes are at least two."""
    return np.asarray((labels + rng.integers(1, classes, len(labels))) % classes, np.int64)


def stepped(student: nn.Module, inputs: Array, targets: Array, pool: Pool) -> Array:
    """Inputs moved towards their targets, float32 of the same shape.

    :param pool: no value leaves the range that its channel has there.
    """
    rest = tuple(axis for axis in range(inputs.ndim) if axis != 1)
    where = next(student.parameters()).device
    low, high = (
        torch.from_numpy(np.asarray(edge(pool.inputs, axis=rest, keepdims=True), np.float32)).to(where)
        for edge in (np.min, np.max)
    )
    made = []
    with isolated():
        for start in range(0, len(inputs), _BLOCK):
            x = torch.from_numpy(np.ascontiguousarray(inputs[start : start + _BLOCK], np.float32)).to(where)
            wanted = torch.from_numpy(targets[start : start + _BLOCK]).to(where)
            for _ in range(_STEPS):
                x.requires_grad_()
                loss = nn.functional.cross_entropy(student(x), wanted, reduction="sum")
                (gradient,) = torch.autograd.grad(loss, x)
                x = (x.detach() - _STEP * (high - low) * gradient.sign()).clamp(low, high)
            made.append(x.cpu().numpy())
    return np.concatenate(made)
