"""Extremes found within the graph are those of the tensors themselves."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgeguard.calibration.collect import collect, observe, watch_onnx
from edgeguard.calibration.extremes import extremes
from edgeguard.calibration.observers import OBSERVERS
from edgeguard.calibration.sets import array_set
from edgeguard.errors import BadModel
from tests.calibration.networks import SHAPE, convolutions, merged_axes, whole_inputs

TENSORS = ("x", "a", "b", "c", "d", "e")


@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("count", [1, 2, 7, 9])
def test_the_same_numbers_to_the_bit(count: int, batch: int | None) -> None:
    inputs = np.random.default_rng(count).standard_normal((count, *SHAPE), np.float32)
    data = array_set(inputs, synthetic=False)
    halves = min(count, 2)
    ticks: list[tuple[int, int]] = []
    network = convolutions() if batch is None else convolutions(batch)
    found = extremes(network, "x", TENSORS, data, halves, batch, lambda *tick: ticks.append(tick))
    assert found is not None
    assert ticks == [(min(done, count), count) for done in range(batch or 2, count + (batch or 2), batch or 2)]
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
    assert extremes(convolutions(), "x", ("x",), array_set(inputs, synthetic=False), 2, None, None) is None


@pytest.mark.parametrize("tensor", ["windows", "sequence"])
def test_rows_that_are_no_images_leave_it_to_others(tensor: str) -> None:
    data = array_set(whole_inputs(9, shape=(2, 7, 8)), synthetic=False)
    assert extremes(merged_axes(), "x", ("x", tensor), data, 2, None, None) is None


def test_an_operator_set_without_such_reductions_leaves_it_to_others() -> None:
    old = onnx.load_from_string(convolutions())
    old.opset_import[0].version = 13
    data = array_set(whole_inputs(3), synthetic=False)
    assert extremes(old.SerializeToString(), "x", TENSORS, data, 2, None, None) is None
    assert collect(old.SerializeToString(), "x", TENSORS, data, OBSERVERS["min-max"]) == collect(
        convolutions(), "x", TENSORS, data, OBSERVERS["min-max"]
    )


def test_a_network_that_does_not_run_leaves_it_to_others() -> None:
    data = array_set(np.zeros((2, 1, 1, 1), np.float32), synthetic=False)
    assert extremes(convolutions(), "x", TENSORS, data, 2, None, None) is None
    with pytest.raises(BadModel, match="fails while calibrating"):
        collect(convolutions(), "x", TENSORS, data, OBSERVERS["min-max"])
