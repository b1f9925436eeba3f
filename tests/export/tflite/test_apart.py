"""Rounded products have their largest entry where the exact ones have the first of theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.defenses.decision import Columns, columns_for
from edgeguard.export.tflite.apart import told_apart
from tests.defenses.integers import head, levels, rows, steps_of
from tests.defenses.strategies import SEEDS

Array = np.ndarray[Any, Any]

_SCALES = (2.0**-59, 0.005, 1 / 3, 0.171875, 40.0, 2.0**59)


def product(classes: int, count: int, dtype: str, rng: np.random.Generator) -> Columns:
    found = levels(count, rng)
    columns = columns_for(head(classes, dtype), found, None, rows(found, classes))
    assert columns is not None
    assert columns.as_held
    return columns


def sums(values: Array, weights: Array, bias: Array, order: Array) -> Array:
    """The product in float32, its terms added one after the other."""
    total = np.zeros((len(values), weights.shape[1]), np.float32)
    for index in order:
        term = np.broadcast_to(bias, total.shape) if index < 0 else values[:, index, None] * weights[index]
        total = total + term
    return total


@settings(max_examples=150, deadline=None)
@given(
    classes=st.integers(2, 16),
    count=st.integers(2, 6),
    dtype=st.sampled_from(["int8", "uint8"]),
    scale=st.sampled_from(_SCALES),
    seed=SEEDS,
)
def test_the_same_column_whatever_is_added_first(classes: int, count: int, dtype: str, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns, limits = product(classes, count, dtype, rng), np.iinfo(dtype)
    zero_point = int(rng.integers(limits.min, limits.max, endpoint=True))
    apart = told_apart(columns.weights, columns.bias, np.dtype(dtype), scale, zero_point)
    if apart is None:
        return
    held = steps_of(classes, rng, 16) + (128 if dtype == "uint8" else 0)
    exact = held @ columns.weights.astype(np.int64) + columns.bias.astype(np.int64)
    logits = (held - zero_point).astype(np.float32) * np.float32(scale)
    for _ in range(3):
        found = sums(logits, *apart, rng.permutation(np.arange(-1, classes)))
        assert np.array_equal(found.argmax(axis=-1), exact.argmax(axis=-1))
        # No two of them are equal, so that it does not matter either which of equal ones a kernel finds.
        assert (np.sort(found, axis=-1)[:, -2:] @ [-1, 1] > 0).all()


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_four_levels_of_up_to_sixteen_classes_are_told_apart(dtype: str) -> None:
    for classes in (2, 10, 12, 16):
        columns = product(classes, 4, dtype, np.random.default_rng(0))
        assert told_apart(columns.weights, columns.bias, np.dtype(dtype), 0.1, 0) is not None


def test_sums_that_rounding_may_reorder_are_refused() -> None:
    columns = product(32, 16, "int8", np.random.default_rng(0))
    assert told_apart(columns.weights, columns.bias, np.int8, 0.1, 0) is None


@pytest.mark.parametrize("scale", [2.0**-60, 1e-40, 2.0**60, np.inf, np.nan])
def test_scales_that_floats_may_not_hold_are_refused(scale: float) -> None:
    columns = product(4, 4, "int8", np.random.default_rng(0))
    assert told_apart(columns.weights, columns.bias, np.int8, scale, 0) is None
