"""Extremes found within the graph are those of the tensors themselves."""

from __future__ import annotations

import numpy as np
import pytest

from edgeguard.calibration.collect import observe, watch_onnx
from edgeguard.calibration.extremes import extremes
from edgeguard.calibration.observers import OBSERVERS
from edgeguard.calibration.sets import array_set
from edgeguard.errors import BadModel
from tests.calibration.networks import SHAPE, convolutions

TENSORS = ("x", "a", "b", "c", "d", "e")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_same_numbers_to_the_bit(count: int) -> None:
    inputs = np.random.default_rng(count).standard_normal((count, *SHAPE), np.float32)
    data = array_set(inputs, synthetic=False)
    halves = min(count, 2)
    ticks: list[tuple[int, int]] = []
    found = extremes(convolutions(), "x", TENSORS, data, halves, lambda *tick: ticks.append(tick))
    assert found is not None
    assert ticks == [(done + 1, count) for done in range(count)]
    low, high = found
    watch = watch_onnx(convolutions(), "x", TENSORS, None)
    for half in range(halves):
        values = watch(inputs[half::halves])
        assert low[:, half].tolist() == [float(value.min()) for value in values]
        assert high[:, half].tolist() == [float(value.max()) for value in values]
    whole = observe(watch, TENSORS, data, OBSERVERS["min-max"])
    assert [each.low for each in whole.ranges.values()] == np.minimum(low.min(axis=1), 0).tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_a_sum_that_is_not_finite_leaves_it_to_others(value: float) -> None:
    """Also that of large numbers, which are fine themselves."""
    inputs = np.full((3, *SHAPE), value, np.float32)
    assert extremes(convolutions(), "x", ("x",), array_set(inputs, synthetic=False), 2, None) is None


def test_a_network_that_does_not_run() -> None:
    inputs = np.zeros((2, 1, 1, 1), np.float32)
    with pytest.raises(BadModel, match="fails while calibrating"):
        extremes(convolutions(), "x", TENSORS, array_set(inputs, synthetic=False), 2, None)
