"""Heads that cannot be, and what becomes of those that can."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.defenses.head import Grid, Head, Query, posterior
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.errors import BadModel
from tests.defenses.fitted import GRID
from tests.defenses.strategies import DTYPES, every_kind, head_of, held


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"classes": 1}, "at least two classes"),
        ({"classes": 10, "dtype": "uint8"}, "scale and zero point"),
        ({"classes": 10, "dtype": "uint8", "scale": 0.1}, "scale and zero point"),
        ({"classes": 10, "scale": 0.1, "zero_point": 0}, "scale and zero point"),
        ({"classes": 10, "dtype": "uint8", "scale": 0.0, "zero_point": 0}, "positive and finite"),
        ({"classes": 10, "dtype": "uint8", "scale": float("nan"), "zero_point": 0}, "positive and finite"),
        ({"classes": 10, "dtype": "uint8", "scale": 0.1, "zero_point": -1}, "no uint8"),
        ({"classes": 10, "dtype": "int8", "scale": 0.1, "zero_point": 128}, "no int8"),
    ],
)
def test_heads_that_cannot_be(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadModel, match=said):
        Head("logits", **arguments)


@pytest.mark.parametrize(
    ("head", "raw"),
    [
        (Head("logits", 2, "uint8", 0.5, 128), np.array([[130, 126]], np.uint8)),
        (Head("logits", 2, "int8", 0.5, -3), np.array([[-1, -5]], np.int8)),
        (Head("logits", 2), np.array([[1.0, -1.0]], np.float32)),
    ],
)
def test_integers_mean_what_their_scale_says(head: Head, raw: np.ndarray[Any, Any]) -> None:
    expected = 1 / (1 + np.exp([-2.0, 2.0]))
    assert np.abs(posterior(NumpyOps(), head, raw) - expected).max() < 1e-7


def test_a_zero_point_at_the_far_end_does_not_wrap() -> None:
    ops = NumpyOps()
    assert ops.dequantize(np.array([0, 255], np.uint8), 1.0, np.uint8(255)).tolist() == [-255.0, 0.0]
    assert ops.dequantize(np.array([-128, 127], np.int8), 1.0, np.int8(-128)).tolist() == [0.0, 255.0]


@pytest.mark.parametrize(("scale", "zero"), [(0.0, 0), (float("inf"), 0), (0.1, -129), (0.1, 128)])
def test_grids_that_cannot_be(scale: float, zero: int) -> None:
    with pytest.raises(BadModel, match="cannot be"):
        Grid(scale, zero)


def test_a_logit_is_at_the_step_it_rounds_to() -> None:
    logits = np.array([0.0, 0.12, 0.13, -0.13, 1e9, -1e9], np.float32)
    assert GRID.steps(logits).tolist() == [-20, -20, -19, -21, 127, -128]


def test_only_integer_logits_have_a_grid_of_their_own() -> None:
    assert Head("logits", 2, "uint8", 0.25, 108).grid == Grid(0.25, -20)
    assert Head("logits", 2, "int8", 0.25, -20).grid == Grid(0.25, -20)
    assert Head("logits", 2).grid is None
    assert Head("posterior", 2, "uint8", 1 / 256, 0).grid is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_head_is_asked_in_the_same_steps(dtype: str) -> None:
    head = head_of(dtype, 10)
    raw = held(every_kind(10, seed=0), head)
    query = Query(NumpyOps(), head, raw, GRID)
    steps = GRID.steps(every_kind(10, seed=0))
    peaks = steps.max(axis=1)
    assert (query.steps == steps).all()
    assert (query.top == raw.argmax(axis=1)).all()
    assert (query.one_hot == np.eye(10)[query.top]).all()
    assert (query.at_peak(np.arange(-128, 128)) == peaks).all()
    for step in (-128, -127, 0, 127, 128):
        assert (query.peak_below(step) == (peaks < step)).all()
    own = np.random.default_rng(1).integers(-128, 128, 10)
    assert (query.peak_below_own(tuple(own.tolist())) == (peaks < own[query.top])).all()
    np.testing.assert_allclose(query.posterior, posterior(NumpyOps(), head, raw))


def test_the_logarithm_of_a_posterior_is_logits_up_to_a_constant() -> None:
    logits = np.array([[2.0, 0.0, -300.0]], np.float32)
    plain = NumpyOps().softmax(logits)
    found = Query(NumpyOps(), Head("posterior", 3), plain).logits
    assert found[0, 0] - found[0, 1] == pytest.approx(2.0, abs=1e-5)
    assert np.isfinite(found).all()
    assert found[0, 2] < -80


def test_a_defense_that_was_never_tuned_has_no_steps() -> None:
    query = Query(NumpyOps(), Head("logits", 2), np.zeros((1, 2), np.float32))
    for ask in (lambda: query.steps, lambda: query.peak_below(0), lambda: query.at_peak(np.arange(256))):
        with pytest.raises(BadModel, match=r"never tuned.*--validation"):
            ask()


def test_the_grid_of_a_defense_must_be_that_of_its_network() -> None:
    head, raw = head_of("int8", 2), np.zeros((1, 2), np.int8)
    Query(NumpyOps(), head, raw, GRID)
    with pytest.raises(BadModel, match=r"tuned for other logits.*Tune it again"):
        Query(NumpyOps(), head, raw, Grid(0.5, -20))


@given(scale=st.floats(1e-4, 10), zero=st.integers(-128, 127), step=st.integers(-127, 127))
def test_an_edge_is_the_least_float_of_its_step(scale: float, zero: int, step: int) -> None:
    grid = Grid(scale, zero)
    edge = np.float32(grid.edge(step))
    assert grid.steps(edge[None])[0] >= step
    assert grid.steps(np.nextafter(edge, np.float32(-np.inf))[None])[0] < step
    assert (grid.edge(-128), grid.edge(128)) == (-np.inf, np.inf)
