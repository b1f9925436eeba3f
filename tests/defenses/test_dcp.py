"""DCP against the independent answers, the exported graph against DCP, and its margin."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head, Query, posterior
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.errors import UsageError
from tests.defenses.backends import numpy_answer, onnx_answer, quantized
from tests.defenses.strategies import float_logits

Array = np.ndarray[Any, Any]

SETTINGS = [(10, beta, 0.2) for beta in (0.5, 0.7, 0.9, 1.2, 1.5)] + [
    (100, beta, 0.1) for beta in (0.5, 0.7, 0.9, 1.2, 1.5)
]


def golden(reference: Path, classes: int, beta: float, gamma: float) -> tuple[Array, Array]:
    with np.load(reference / "golden" / "defense_answers_float64.npz") as stored:
        return stored[f"logits{classes}"], stored[f"dcp{classes}_beta{beta}_gamma{gamma}"]


def by_distance_to_gate(logits: Array, beta: float, first: Array, second: Array) -> tuple[float, float]:
    """Largest difference away from the gate, and near it."""
    top = posterior(NumpyOps(np.float64), Head("logits", logits.shape[1]), logits).max(axis=-1)
    near = np.abs(top - beta) <= 0.02
    distance = np.abs(first.astype(np.float64) - second).max(axis=-1)
    return float(distance[~near].max(initial=0)), float(distance[near].max(initial=0))


def respond(dcp: Dcp, p: Array) -> Array:
    return dcp.respond(Query(NumpyOps(np.float64), Head("posterior", p.shape[1]), p))


@pytest.mark.reference
def test_every_stored_setting_is_tested(reference: Path) -> None:
    with np.load(reference / "golden" / "defense_answers_float64.npz") as stored:
        found = {match.groups() for name in stored.files if (match := re.match(r"dcp(\d+)_beta(.+)_gamma(.+)", name))}
    assert found == {(str(classes), str(beta), str(gamma)) for classes, beta, gamma in SETTINGS}


@pytest.mark.reference
@pytest.mark.parametrize(("classes", "beta", "gamma"), SETTINGS)
def test_equals_the_independent_answers(reference: Path, classes: int, beta: float, gamma: float) -> None:
    logits, expected = golden(reference, classes, beta, gamma)
    head, defense = Head("logits", classes), Defense(Dcp(beta, gamma))
    assert np.abs(numpy_answer(head, defense, np.float64)(logits) - expected).max() <= 1e-9
    away, near = by_distance_to_gate(logits, beta, PostProcessor(head, defense)(logits), expected)
    assert away <= 1e-6
    assert near <= 1e-4


@pytest.mark.reference
@pytest.mark.parametrize("beta", [0.5, 0.9, 1.2])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
def test_the_graph_equals_numpy_on_all_test_logits(reference: Path, beta: float, dtype: str) -> None:
    with np.load(reference / "golden" / "resnet20_cifar10_test_logits.npz") as stored:
        logits = stored["logits"]
    head = Head("logits", 10)
    raw = logits
    if dtype != "float32":
        scale = float(logits.max() - logits.min()) / 255
        zero = round(-float(logits.min()) / scale) - (128 if dtype == "int8" else 0)
        head = Head("logits", 10, "int8" if dtype == "int8" else "uint8", scale, zero)
        raw = quantized(logits, head)
        logits = NumpyOps(np.float64).dequantize(raw, scale, np.dtype(dtype).type(zero))
    defense = Defense(Dcp(beta))
    away, near = by_distance_to_gate(logits, beta, onnx_answer(head, defense)(raw), PostProcessor(head, defense)(raw))
    assert len(raw) == 10_000
    assert away <= 1e-6
    assert near <= 1e-4


def test_hand_computed() -> None:
    """p = (0.7, 0.2, 0.1), beta 0.9: the gate is open, r = 0 for the first, and tanh gives the rest."""
    p = np.array([[0.7, 0.2, 0.1]])
    odds = np.array([1.0, 0.25, 1 / 9])
    r = 0.9 * (1 / (1 + odds**-0.2) - 0.5)
    raised = p - r
    expected = raised / raised.sum()
    assert r[0] == pytest.approx(0)
    assert np.abs(respond(Dcp(), p) - expected).max() < 1e-12


@pytest.mark.parametrize(("beta", "nu"), [(1.0, 1000.0), (1.001, 1000.0), (1.03, 1000.0), (1.05, 1000.0), (1.5, 5.0)])
def test_the_gate_of_sure_answers_opens_gradually(beta: float, nu: float) -> None:
    """From beta = 1 on the gate is left out once it is 1 in any float type, and not before."""
    p = np.array([[1 - 2e-9, 1e-9, 1e-9], [0.9, 0.06, 0.04]])
    a = 1 / (1 + np.exp(nu * (p.max(axis=1, keepdims=True) - beta)))
    odds = np.minimum(p / (1 - p), 1)
    raised = p - a * beta * (1 / (1 + odds**-0.2) - 0.5)
    assert np.abs(respond(Dcp(beta, nu=nu), p) - raised / raised.sum(axis=1, keepdims=True)).max() < 1e-9


def test_hand_computed_at_both_ends_of_the_clip() -> None:
    """Odds below 1e-12 count as 1e-12, even ones above it as themselves; from 1 on as 1."""
    p = np.array([[0.5 - 1e-9, 0.5, 1e-9, 1e-15]])
    odds = np.array([(0.5 - 1e-9) / (0.5 + 1e-9), 1.0, 1e-9 / (1 - 1e-9), 1e-12])
    raised = p - 1.2 * (1 / (1 + odds**-0.2) - 0.5)
    assert np.abs(respond(Dcp(1.2), p) - raised / raised.sum()).max() < 1e-12


@settings(max_examples=300, deadline=None)
@given(raw=float_logits(), beta=st.floats(0.05, 0.99), part=st.floats(0, 0.999), seed=st.integers(0, 2**32 - 1))
def test_moves_below_the_margin_change_no_decision(raw: Array, beta: float, part: float, seed: int) -> None:
    exact = raw.astype(np.float64)
    head, ops = Head("logits", raw.shape[1]), NumpyOps(np.float64)
    before = posterior(ops, head, exact)
    margin = Dcp(beta).margin(before)
    assert (margin >= 0).all()
    assume((margin > 1e-6).all())
    limited = np.minimum(margin, 300)[:, None] * part
    rng = np.random.default_rng(seed)
    worst = np.where(before == before.max(axis=-1, keepdims=True), 1.0, -1.0)
    for signs in (worst, -worst, rng.choice([-1.0, 1.0], exact.shape), rng.uniform(-1, 1, exact.shape)):
        after = posterior(ops, head, exact + limited * signs)
        assert ((after.max(axis=-1) > beta) == (before.max(axis=-1) > beta)).all()


def test_the_margin_is_infinite_where_nothing_is_decided() -> None:
    assert np.isinf(Dcp(1.0).margin(np.array([[0.6, 0.4]]))).all()
    assert np.isinf(Dcp(0.9).margin(np.array([[1.0, 0.0]]))).all()


@pytest.mark.parametrize(("field", "value"), [("beta", 0.0), ("beta", 2.1), ("gamma", -1.0), ("nu", float("nan"))])
def test_parameters_outside_their_ranges(field: str, value: float) -> None:
    with pytest.raises(UsageError, match=field):
        Dcp(**{field: value})


def test_the_papers_parameters() -> None:
    assert Dcp.for_classes(10) == Dcp(0.9, 0.2, 1000.0)
    assert Dcp.for_classes(100).gamma == 0.1
