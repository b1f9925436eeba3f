"""What a defense promises about its answers, and how far two backends may differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head, posterior
from edgeguard.defenses.margin import gate_margin
from edgeguard.defenses.noise import Noise
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.response import is_table
from edgeguard.defenses.rounding import Round
from edgeguard.defenses.top_k import TopK
from tests.defenses.backends import numpy_answer, onnx_answer

Array = np.ndarray[Any, Any]

FLOAT_SCORES = ("max-probability", "energy")
# In logits. Softmax and logarithm of two backends differ by less.
_CLEAR = 1e-4


def rounding(classes: int) -> float:
    """ONNX Runtime adds float32 one after the other: up to half a unit, 6e-8 of the sum, is lost with each class."""
    return max(1e-6, 2e-8 * classes)


def check_promises(answers: Array, raw: Array, defense: Defense) -> None:
    """What design.md promises.

    :param raw: what the network gave.
    """
    assert answers.dtype == np.float32
    assert answers.shape == raw.shape
    assert np.isfinite(answers).all()
    assert answers.min() >= 0
    assert np.abs(answers.sum(axis=-1, dtype=np.float64) - 1).max() <= rounding(answers.shape[-1])
    if defense.keeps_argmax:
        at_top = np.take_along_axis(answers, raw.argmax(axis=-1)[:, None], -1)[:, 0]
        assert (at_top == answers.max(axis=-1)).all()


def tolerance(defense: Defense, head: Head, raw: Array) -> Array:
    """How far two backends' answers may differ, ``[n]``: not at all if they come from a table.

    Infinity where a decision on floats lies within their rounding. Decisions on steps of the grid are no such ones.
    """
    exact = posterior(NumpyOps(np.float64), head, raw.astype(np.float64) if head.scale is None else raw)
    response = defense.response
    allowed = np.full(len(raw), 0.0 if is_table(response) else rounding(head.classes))
    if isinstance(response, Dcp):
        # Its gate is so steep that the rounding of max p shows.
        allowed[np.abs(exact.max(axis=-1) - response.beta) <= 0.02] = 1e-4
    if isinstance(response, Noise):
        # What is left after clipping may be little, and is divided by.
        allowed *= 5
    if isinstance(response, Round):
        allowed[response.margin(exact) <= _CLEAR] = np.inf
    if isinstance(response, TopK):
        ordered = np.log(np.maximum(np.sort(exact, axis=-1), 1e-300))
        # Entries are kept or not as they equal the k-th: those that do exactly do on every backend.
        distance = np.abs(ordered - ordered[:, -response.k, None])
        allowed[((distance > 0) & (distance <= _CLEAR)).any(axis=-1)] = np.inf
    if defense.gate is not None and defense.gate.score in FLOAT_SCORES:
        logits = np.log(np.maximum(exact, 1e-300))
        if head.scale is not None and head.zero_point is not None:
            logits = (raw.astype(np.float64) - head.zero_point) * head.scale
        elif head.kind == "logits":
            logits = raw.astype(np.float64)
        allowed[gate_margin(defense.gate, defense.grid, logits) <= _CLEAR] = np.inf
    return allowed


def check_alike(first: Array, second: Array, allowed: Array) -> None:
    """Two answers to the same queries, within a tolerance for each."""
    distance = np.abs(first.astype(np.float64) - second).max(axis=-1)
    assert (distance <= allowed).all(), f"{distance.max():.3g} apart"


def examine(head: Head, raw: Array, defense: Defense) -> None:
    """The promises on both backends, that these agree, and that asking again gains nothing."""
    on_host, in_graph = numpy_answer(head, defense)(raw), onnx_answer(head, defense)(raw)
    check_promises(on_host, raw, defense)
    check_promises(in_graph, raw, defense)
    check_alike(on_host, in_graph, tolerance(defense, head, raw))
    assert (numpy_answer(head, defense)(raw) == on_host).all()
    assert (onnx_answer(head, defense)(raw) == in_graph).all()
