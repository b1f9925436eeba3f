"""The contract of every defense, on every backend, over logits of every kind; and the backends held together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.head import Head, posterior
from edgeguard.defenses.label import Label
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.registry import DEFENSES, Defense
from edgeguard.errors import GuardFailed
from edgeguard.export.measure import check_contract
from tests.defenses.backends import numpy_answer, onnx_answer
from tests.defenses.strategies import CLASSES, KINDS, float_logits, integer_logits, logits_of

Array = np.ndarray[Any, Any]

EACH = pytest.mark.parametrize("name", sorted(DEFENSES))
RUNS = settings(max_examples=80, deadline=None)


def rounding(classes: int) -> float:
    """ONNX Runtime adds float32 one after the other: up to half a unit, 6e-8 of the sum, is lost with each class."""
    return max(1e-6, 2e-8 * classes)


def check(answers: Array, plain: Array, defense: Defense) -> None:
    """What design.md promises."""
    assert answers.dtype == plain.dtype
    assert answers.shape == plain.shape
    assert np.isfinite(answers).all()
    assert answers.min() >= 0
    assert np.abs(answers.sum(axis=-1, dtype=np.float64) - 1).max() <= rounding(answers.shape[-1])
    if defense.keeps_argmax:
        kept = np.take_along_axis(answers, plain.argmax(axis=-1)[:, None], -1)[:, 0]
        assert (kept == answers.max(axis=-1)).all()


def check_together(first: Array, second: Array, defense: Defense, exact: Array) -> None:
    """Equal but for rounding, and within 1e-4 where max p lies within 0.02 of DCP's steep gate.

    Where rounding may exchange the two likeliest classes, their labels may be exchanged too.
    """
    loose = np.zeros(len(first), bool)
    if isinstance(defense, Dcp):
        loose = np.abs(exact.max(axis=-1) - defense.beta) <= 0.02
    if isinstance(defense, Label):
        top = np.sort(exact, axis=-1)[:, -2:]
        clear = top[:, 1] - top[:, 0] > 1e-6 * top[:, 1]
        first, second, loose = first[clear], second[clear], loose[clear]
    distance = np.abs(first.astype(np.float64) - second).max(axis=-1)
    assert (distance <= np.where(loose, 1e-4, rounding(first.shape[-1]))).all()


def examine(head: Head, raw: Array, defense: Defense) -> None:
    on_host, in_graph = numpy_answer(head, defense)(raw), onnx_answer(head, defense)(raw)
    check(on_host, numpy_answer(head, None)(raw), defense)
    check(in_graph, onnx_answer(head, None)(raw), defense)
    check_together(on_host, in_graph, defense, posterior(NumpyOps(np.float64), head, raw))
    assert (numpy_answer(head, defense)(raw) == on_host).all()
    assert (onnx_answer(head, defense)(raw) == in_graph).all()


@EACH
@RUNS
@given(raw=float_logits())
def test_float_heads(name: str, raw: Array) -> None:
    examine(Head("logits", raw.shape[1]), raw, DEFENSES[name].for_classes(raw.shape[1]))


@EACH
@RUNS
@given(case=integer_logits())
def test_integer_heads(name: str, case: tuple[Head, Array]) -> None:
    head, raw = case
    examine(head, raw, DEFENSES[name].for_classes(head.classes))


@EACH
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_at_every_size(name: str, kind: str, classes: int) -> None:
    raw = logits_of(kind, classes, np.random.default_rng(7))
    examine(Head("logits", classes), raw, DEFENSES[name].for_classes(classes))


@EACH
@pytest.mark.parametrize("opset", [13, 17, 18, 20])
def test_older_operator_sets(name: str, opset: int) -> None:
    head, defense = Head("logits", 10), DEFENSES[name].for_classes(10)
    raw = logits_of("confident", 10, np.random.default_rng(3))
    assert (onnx_answer(head, defense, opset)(raw) == onnx_answer(head, defense)(raw)).all()


@EACH
def test_an_answer_does_not_depend_on_its_neighbours(name: str) -> None:
    head, defense = Head("logits", 10), DEFENSES[name].for_classes(10)
    raw = np.concatenate([logits_of(kind, 10, np.random.default_rng(5)) for kind in KINDS])
    for answer in (numpy_answer(head, defense), onnx_answer(head, defense)):
        alone = np.concatenate([answer(row[None]) for row in raw])
        assert np.abs(alone - answer(raw)).max() <= 2e-7
        assert np.abs(answer(raw[::-1])[::-1] - answer(raw)).max() <= 2e-7


@EACH
def test_a_posterior_head_is_defended_as_it_stands(name: str) -> None:
    defense = DEFENSES[name].for_classes(10)
    raw = logits_of("confident", 10, np.random.default_rng(1))
    plain = numpy_answer(Head("logits", 10), None)(raw)
    cut = Head("posterior", 10)
    assert (numpy_answer(cut, defense)(plain) == numpy_answer(Head("logits", 10), defense)(raw)).all()
    assert np.abs(onnx_answer(cut, defense)(plain) - numpy_answer(cut, defense)(plain)).max() <= 1e-6


@RUNS
@given(
    raw=float_logits(),
    beta=st.floats(1e-3, 2.0),
    gamma=st.floats(1e-3, 10.0),
    nu=st.floats(1.0, 1e6),
)
def test_dcp_holds_its_contract_with_any_parameters(raw: Array, beta: float, gamma: float, nu: float) -> None:
    head, defense = Head("logits", raw.shape[1]), Dcp(beta, gamma, nu)
    check(numpy_answer(head, defense)(raw), numpy_answer(head, None)(raw), defense)
    check(onnx_answer.__wrapped__(head, defense)(raw), onnx_answer(head, None)(raw), defense)


def test_the_contract_notices_a_defense_that_breaks_it() -> None:
    """The checks above can fail."""
    plain = np.array([[0.75, 0.25]], np.float32)
    good = Dcp()
    check(plain, plain, good)
    for broken in ([[np.nan, 0.5]], [[1.25, -0.25]], [[0.75, 0.2]]):
        with pytest.raises(AssertionError):
            check(np.array(broken, np.float32), plain, good)
        with pytest.raises(GuardFailed):
            check_contract(np.array(broken, np.float32), plain, keeps_argmax=False)
    with pytest.raises(AssertionError):
        check_together(plain, plain + 2e-6, good, np.array([[0.5, 0.5]]))
    with pytest.raises(AssertionError):
        check_together(plain, plain + 2e-4, good, np.array([[0.9, 0.1]]))
    check_together(plain, plain + 5e-5, good, np.array([[0.9, 0.1]]))
