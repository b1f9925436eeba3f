"""Which row answers a query: both ways to it, held against a third one in Python's integers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.defenses.decision import columns_for, row_of
from edgeguard.defenses.gate import SCORES, Gate
from edgeguard.defenses.head import Head
from edgeguard.defenses.rows import Levels
from tests.defenses.backends import numpy_answer, onnx_answer
from tests.defenses.fitted import GRID, defense, gate
from tests.defenses.integers import head, levels, max_logit_gate, query, row_by_hand, rows, steps_of
from tests.defenses.strategies import SEEDS

Array = np.ndarray[Any, Any]


def check(steps: Array, found: Levels, closed: Gate | None, dtype: str = "int8", *, by_hand: bool = True) -> bool:
    """Both ways answer alike; returns whether there was a product."""
    classes = steps.shape[1]
    asked, table = query(steps, dtype), rows(found, classes)
    row = row_of(asked, found, closed)
    if by_hand:
        assert row.tolist() == [row_by_hand(values, found, closed) for values in steps]
    columns = columns_for(asked.head, found, closed, table)
    if columns is not None:
        assert (columns.answer(asked) == table.matrix[row]).all()
    return columns is not None


@settings(max_examples=150, deadline=None)
@given(
    classes=st.integers(2, 32),
    count=st.integers(1, 16),
    cells=st.integers(1, 24),
    gated=st.booleans(),
    dtype=st.sampled_from(["uint8", "int8"]),
    seed=SEEDS,
)
def test_all_ways_lead_to_the_same_row(
    classes: int, count: int, cells: int, gated: bool, dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    closed = max_logit_gate(classes, count, rng, cells=cells) if gated else None
    check(steps_of(classes, rng, 8), levels(count, rng), closed, dtype)


@settings(max_examples=40, deadline=None)
@given(classes=st.integers(2, 32), count=st.integers(1, 16), seed=SEEDS)
def test_thresholds_by_class(classes: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = gate("per-class-max-logit", classes, count, seed)
    assert not check(steps_of(classes, rng, 8), levels(count, rng), made, rng.choice(["uint8", "int8"]))


@pytest.mark.parametrize("threshold", [None, -128, -127, 0, 100, 127, 128])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_pair_of_two_logits(threshold: int | None, count: int) -> None:
    rng = np.random.default_rng(count)
    steps = np.array(list(itertools.product(range(-128, 128), repeat=2)))
    closed = None if threshold is None else gate("max-logit", 2, count, count, float(threshold))
    assert check(steps, levels(count, rng), closed, by_hand=False) == (closed is not None or count > 1)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("classes", [3, 6])
def test_every_peak_at_every_class(classes: int, gated: bool) -> None:
    """All 256 peaks at each class, what lies below them drawn anew, with levels at both ends of the grid."""
    rng = np.random.default_rng(classes)
    found = Levels((-128, -127, -60, 0, 1, 127), (0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
    closed = gate("max-logit", classes, 6, 1, -30.0) if gated else None
    peaks, tops = np.meshgrid(np.arange(-128, 128), np.arange(classes), indexing="ij")
    steps = np.minimum(rng.integers(-128, 128, (peaks.size, classes)), peaks.reshape(-1, 1))
    steps[np.arange(peaks.size), tops.reshape(-1)] = peaks.reshape(-1)
    assert check(steps, found, closed)


@settings(max_examples=100, deadline=None)
@given(
    classes=st.integers(2, 32),
    count=st.integers(1, 16),
    gated=st.booleans(),
    dtype=st.sampled_from(["uint8", "int8"]),
    seed=SEEDS,
)
def test_no_sum_of_a_product_can_be_inexact(classes: int, count: int, gated: bool, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = levels(count, rng)
    closed = max_logit_gate(classes, count, rng) if gated else None
    columns = columns_for(head(classes, dtype), found, closed, rows(found, classes))
    if columns is None:
        return
    assert columns.weights.dtype == columns.bias.dtype == columns.answers.dtype == np.float32
    weights, bias = (values.astype(object) for values in (columns.weights, columns.bias))
    assert all(value == int(value) for value in (*columns.weights.reshape(-1).tolist(), *columns.bias.tolist()))
    largest = 255 if dtype == "uint8" and columns.as_held else 128
    assert max(largest * abs(weights).sum(axis=0) + abs(bias)) < 1 << 24


def test_there_is_no_product_where_numbers_would_not_be_exact() -> None:
    rng = np.random.default_rng(0)
    closed = gate("max-logit", 4, 4, 0, -128.0)
    few, many = (Levels(tuple(range(-128, -128 + count)), (1.0,) * count) for count in (4, 16))
    assert columns_for(head(4), few, closed, rows(few, 4)) is not None
    assert columns_for(head(4), many, closed, rows(many, 4)) is None
    check(steps_of(4, rng), many, closed)


@pytest.mark.parametrize("count", [12, 13])
def test_unsigned_integers_are_taken_as_held_only_where_that_is_exact(count: int) -> None:
    """Their sums are twice as large as those of steps: twelve levels leave room for that, 13 only for steps."""
    closed, found = gate("max-logit", 4, 4, 0, -128.0), Levels(tuple(range(-128, -128 + count)), (1.0,) * count)
    ways = [columns_for(head(4, dtype), found, closed, rows(found, 4)) for dtype in ("uint8", "int8")]
    assert [None if way is None else way.as_held for way in ways] == [count == 12, True]
    check(steps_of(4, np.random.default_rng(count)), found, closed, "uint8")


def test_there_is_no_product_of_too_many_columns() -> None:
    found = levels(16, np.random.default_rng(1))
    assert columns_for(head(32), found, None, rows(found, 32)) is not None
    assert columns_for(head(33), found, None, rows(found, 33)) is None


def test_there_is_no_product_where_there_is_nothing_to_gain() -> None:
    one, four = Levels((-128,), (1.0,)), levels(4, np.random.default_rng(2))
    assert columns_for(head(4), one, None, rows(one, 4)) is None
    assert columns_for(Head("logits", 4), four, None, rows(four, 4)) is None
    assert columns_for(Head("posterior", 4, "int8", 0.1, 0), four, None, rows(four, 4)) is None
    for score in SCORES:
        product = columns_for(head(4), four, gate(score, 4, 4), rows(four, 4))
        assert (product is not None) == (score == "max-logit")


def test_the_graph_takes_the_product_where_there_is_one() -> None:
    """Two answers of one defense: by a product on integers, by single operators on the floats that they mean."""
    fitted = defense("decoy", Head("logits", 7), "max-logit", seed=3)
    integer = Head("logits", 7, "int8", GRID.scale, GRID.zero)
    steps = steps_of(7, np.random.default_rng(3))
    expected = numpy_answer(Head("logits", 7), fitted)(((steps - GRID.zero) * GRID.scale).astype(np.float32))
    assert (onnx_answer(integer, fitted)(steps.astype(np.int8)) == expected).all()
    assert (numpy_answer(integer, fitted)(steps.astype(np.int8)) == expected).all()
