"""Golden inputs: what travels with an artifact so that a device can prove it computes what the exporter computed.

Integer kernels of different CPUs differ by a few steps (onnxruntime#20479, #28609). An input is therefore only golden
if no decision, neither the argmax nor one of the defense, lies within :data:`MARGIN_STEPS` quantization steps of the
logits; and each carries its own tolerance, derived from what one step of every logit does to its answer. A defense may
bring the two largest entries of an answer closer than that: such an input is not golden either.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head, Query, posterior
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.runtimes.goldens import Goldens

__all__ = ["MARGIN_STEPS", "choose_goldens", "decision_margin"]

Array = np.ndarray[Any, Any]

MARGIN_STEPS = 3
# Enough to notice a wrong kernel, few enough not to outweigh the model they travel with.
_MOST = 32
_BYTES = 2 << 20
_FLOAT_NOISE = 1e-5


def choose_goldens(inputs: Array, logits: Array, answers: Array, step: float, defense: Defense | None) -> Goldens:
    """The candidates with enough margin, spread over the predicted classes, those with most margin first.

    :param inputs: float32 ``[n, *input_shape]``, candidates.
    :param logits: float32 ``[n, classes]``, of the undefended network.
    :param answers: float32 ``[n, classes]``, of the artifact.
    :param step: one quantization step of the logits.
    """
    margin = decision_margin(logits, defense)
    eligible = np.flatnonzero(margin >= MARGIN_STEPS * step)
    size = max(4, min(_MOST, _BYTES // max(1, inputs[:1].nbytes)))
    tolerance = _tolerance(logits[eligible], step, defense)
    clear = _lead(answers[eligible]) > MARGIN_STEPS * tolerance
    tolerances = dict(zip(eligible.tolist(), tolerance.tolist(), strict=True))
    chosen = _spread(eligible[clear], logits.argmax(axis=-1), margin, size)
    kept = np.array([tolerances[index] for index in chosen.tolist()], np.float32)
    return Goldens(inputs[chosen], answers[chosen], kept)


def decision_margin(logits: Array, defense: Defense | None) -> Array:
    """How far every logit may move before the argmax or a decision of the defense changes, ``[n]``, in logits."""
    exact = logits.astype(np.float64)
    margin = _lead(exact) / 2
    if defense is not None:
        margin = np.minimum(margin, defense.margin(exact))
    return margin


def _lead(values: Array) -> Array:
    """How far the largest entry of each row lies above the second, ``[n]``."""
    two = np.partition(values, -2, axis=-1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])


def _spread(eligible: Array, classes: Array, margin: Array, size: int) -> Array:
    """Round-robin over classes, largest margin first, so that no class fills the set."""
    order = sorted(eligible.tolist(), key=lambda index: -margin[index])
    rank: dict[int, int] = {}
    ranked = []
    for index in order:
        label = int(classes[index])
        ranked.append((rank.get(label, 0), label, index))
        rank[label] = rank.get(label, 0) + 1
    return np.array(sorted(index for _, _, index in sorted(ranked)[:size]), np.intp)


def _tolerance(logits: Array, step: float, defense: Defense | None) -> Array:
    """Largest change of an answer when each logit moves by up to one step: each one alone, and random signs."""
    head = Head("logits", logits.shape[-1])
    ops = NumpyOps(np.float64)
    answering = None if defense is None else defense.behind(head)

    def answer(values: Array) -> Array:
        return (
            posterior(ops, head, values)
            if defense is None or answering is None
            else answering(Query(ops, head, values, defense.grid))
        )

    classes = logits.shape[-1]
    rng = np.random.default_rng(0)
    top = np.argsort(-logits, axis=-1)[:, : min(classes, 8)]
    result = np.zeros(len(logits))
    for row, values in enumerate(logits.astype(np.float64)):
        moves = rng.choice([-1.0, 1.0], (64, classes))
        alone = np.full((2 * top.shape[1], classes), -1.0)
        for position, index in enumerate(top[row]):
            alone[2 * position, index] = 1.0
            alone[2 * position + 1] = 1.0
            alone[2 * position + 1, index] = -1.0
        moved = answer(values + step * np.concatenate([moves, alone]))
        result[row] = np.abs(moved - answer(values[None])).max()
    return (result + _FLOAT_NOISE).astype(np.float32)
