"""What a defense promises about its answers, and how far two backends may differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import Score
from edgeguard.defenses.head import Grid, Head, posterior
from edgeguard.defenses.margin import gate_margin
from edgeguard.defenses.noise import Noise
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.response import is_table
from edgeguard.defenses.rounding import Round
from edgeguard.defenses.top_k import TopK
from tests.defenses.backends import Answer, numpy_answer, onnx_answer
from tests.defenses.fitted import GRID
from tests.defenses.fitted import defense as fitted_defense
from tests.defenses.strategies import every_kind, head_of

Array = np.ndarray[Any, Any]
Backend = Callable[[Head, Defense | None], Answer]

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


def examine_posterior_head(name: str, score: Score | None, backend: Backend) -> None:
    """A defense on a posterior: its logarithm is a little different on each backend, and what is rounded to steps."""
    logits, cut = head_of("float32", 10), Head("posterior", 10)
    fitted = fitted_defense(name, logits, score)
    plain = numpy_answer(logits, None)(every_kind(10, seed=1))
    places = np.log(np.maximum(plain.astype(np.float64), 1e-37)) / GRID.scale
    clear = (np.abs(places - np.floor(places) - 0.5) > 1e-3).all(axis=-1)
    assert clear.mean() > 0.3
    on_host, in_graph = numpy_answer(cut, fitted)(plain), backend(cut, fitted)(plain)
    check_promises(on_host, plain, fitted)
    check_promises(in_graph, plain, fitted)
    check_alike(on_host[clear], in_graph[clear], tolerance(fitted, cut, plain)[clear])
    if score is None and not is_table(fitted.response) and name != "noise":
        assert (on_host == numpy_answer(logits, fitted)(every_kind(10, seed=1))).all()


def examine_halfway(name: str, scale: float, backend: Backend, count: int) -> None:
    """Logits halfway between two steps: a level hangs on the step of the largest one, noise on that of every one."""
    head = Head("logits", 10)
    grid = Grid(float(np.float32(scale)), -20)
    fitted = replace(fitted_defense(name, head), grid=grid)
    places = np.random.default_rng(0).integers(-128, 128, (count, 10)) + 0.5
    raw = ((places - grid.zero) * grid.scale).astype(np.float32)
    for side in (raw, np.nextafter(raw, np.float32(np.inf)), np.nextafter(raw, np.float32(-np.inf))):
        check_alike(numpy_answer(head, fitted)(side), backend(head, fitted)(side), tolerance(fitted, head, side))
