"""The contract of every defense, on every backend, over logits of every kind; and the backends held together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.contract import check_contract
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import SCORES, Score
from edgeguard.defenses.head import Head
from edgeguard.defenses.registry import DEFENSES
from edgeguard.errors import GuardFailed
from tests.defenses.agreement import (
    check_alike,
    check_promises,
    examine,
    examine_halfway,
    examine_posterior_head,
    tolerance,
)
from tests.defenses.backends import numpy_answer, onnx_answer
from tests.defenses.fitted import GRID, defense
from tests.defenses.strategies import CLASSES, DTYPES, SEEDS, every_kind, float_logits, head_of, heads_and_logits, held

Array = np.ndarray[Any, Any]

GATES = (None, *SCORES)
EACH = pytest.mark.parametrize("name", sorted(DEFENSES))
GATED = pytest.mark.parametrize("score", GATES)
HELD = pytest.mark.parametrize("dtype", DTYPES)


@EACH
@GATED
@HELD
@pytest.mark.parametrize("classes", CLASSES)
def test_every_kind_of_logits(name: str, score: Score | None, dtype: str, classes: int) -> None:
    head = head_of(dtype, classes)
    examine(head, held(every_kind(classes, seed=7), head), defense(name, head, score))


@EACH
@settings(max_examples=120, deadline=None)
@given(case=heads_and_logits(), score=st.sampled_from(GATES), seed=st.integers(0, 99))
def test_any_logits_on_any_head(name: str, case: tuple[Head, Array], score: Score | None, seed: int) -> None:
    head, raw = case
    examine(head, raw, defense(name, head, score, seed))


@EACH
@GATED
@HELD
def test_older_operator_sets(name: str, score: Score | None, dtype: str) -> None:
    head = head_of(dtype, 10)
    fitted, raw = defense(name, head, score), held(every_kind(10, seed=3), head)
    newest = onnx_answer(head, fitted)(raw)
    for opset in (13, 17, 18):
        assert (onnx_answer(head, fitted, opset)(raw) == newest).all()


@EACH
@GATED
@HELD
def test_an_answer_does_not_depend_on_its_neighbours(name: str, score: Score | None, dtype: str) -> None:
    head = head_of(dtype, 10)
    fitted, raw = defense(name, head, score), held(every_kind(10, seed=5), head)
    allowed = tolerance(fitted, head, raw)
    for answer in (numpy_answer(head, fitted), onnx_answer(head, fitted)):
        together = answer(raw)
        check_alike(np.concatenate([answer(row[None]) for row in raw]), together, allowed)
        check_alike(answer(raw[::-1].copy())[::-1], together, allowed)


@EACH
@GATED
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_an_integer_head_answers_as_the_float_one_does(name: str, score: Score | None, dtype: str) -> None:
    """Tuning sees float logits, the artifact integer ones: both make the same decisions."""
    head, floating = head_of(dtype, 10), head_of("float32", 10)
    raw = held(every_kind(10, seed=9), head)
    logits = ((raw.astype(np.float32) - np.float32(head.zero_point)) * np.float32(head.scale)).astype(np.float32)
    fitted = defense(name, head, score)
    answers = numpy_answer(head, fitted)(raw), numpy_answer(floating, fitted)(logits)
    check_alike(*answers, tolerance(fitted, head, raw))


@EACH
@GATED
def test_a_posterior_head_is_defended_as_it_stands(name: str, score: Score | None) -> None:
    examine_posterior_head(name, score, onnx_answer)


@EACH
@GATED
def test_most_answers_are_compared(name: str, score: Score | None) -> None:
    for dtype in DTYPES:
        head = head_of(dtype, 10)
        allowed = tolerance(defense(name, head, score), head, held(every_kind(10, seed=7), head))
        assert np.isfinite(allowed).mean() > 0.8


@pytest.mark.parametrize("scale", [0.25, 0.0725, 0.1, 1 / 3])
@pytest.mark.parametrize("name", ["codebook", "noise"])
def test_logits_halfway_between_two_steps_go_the_same_way(name: str, scale: float) -> None:
    examine_halfway(name, scale, onnx_answer, 2000)


@settings(max_examples=80, deadline=None)
@given(raw=float_logits(), beta=st.floats(1e-3, 2.0), gamma=st.floats(1e-3, 10.0), nu=st.floats(1.0, 1e6))
def test_dcp_holds_its_contract_with_any_parameters(raw: Array, beta: float, gamma: float, nu: float) -> None:
    head, fitted = Head("logits", raw.shape[1]), Defense(Dcp(beta, gamma, nu))
    check_promises(numpy_answer(head, fitted)(raw), raw, fitted)
    check_promises(onnx_answer.__wrapped__(head, fitted)(raw), raw, fitted)


@settings(max_examples=80, deadline=None)
@given(raw=float_logits(), amplitude=st.floats(1e-3, 1.0), seed=SEEDS)
def test_noise_holds_its_contract_with_any_amplitude(raw: Array, amplitude: float, seed: int) -> None:
    head = Head("logits", raw.shape[1])
    fitted = defense("noise", head, seed=seed)
    loud = Defense(replace(cast(Any, fitted.response), amplitude=amplitude), None, GRID)
    check_promises(numpy_answer(head, loud)(raw), raw, loud)
    check_promises(onnx_answer.__wrapped__(head, loud)(raw), raw, loud)


def test_the_contract_notices_a_defense_that_breaks_it() -> None:
    """The checks above can fail."""
    plain = np.array([[0.75, 0.25]], np.float32)
    label = defense("label", Head("logits", 2))
    check_promises(plain, plain, label)
    for broken in ([[np.nan, 0.5]], [[1.25, -0.25]], [[0.75, 0.2]], [[0.25, 0.75]]):
        with pytest.raises(AssertionError):
            check_promises(np.array(broken, np.float32), plain, label)
        with pytest.raises(GuardFailed):
            check_contract(np.array(broken, np.float32), plain, keeps_argmax=True)
    head = Head("logits", 2)
    near_gate = np.log([[0.9, 0.1], [0.7, 0.3]]).astype(np.float32)
    near, away = tolerance(Defense(Dcp()), head, near_gate)
    assert away == 1e-6
    assert near == 1e-4
    assert (tolerance(label, head, near_gate) == 0).all()
    with pytest.raises(AssertionError):
        check_alike(plain, plain + np.float32(2e-6), np.array([away]))
