"""One calibration table for both formats."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeguard.calibration.collect import collect
from edgeguard.calibration.observers import Range, find_observer
from edgeguard.export.passes.quantize import probe
from edgeguard.export.tflite.ranges import ranges_for
from tests.export.tflite.conftest import Both
from tests.export.tflite.needs import needs_litert_torch

pytestmark = needs_litert_torch

MIN_MAX = find_observer("min-max")


def test_what_the_table_knows_comes_from_it_and_nothing_is_measured(both: Both) -> None:
    found = ranges_for(both.matched, both.table, both.data, MIN_MAX)
    assert found.measured == ()
    assert set(found.ranges) == set(both.matched.values)
    for name in ("input", "relu", "cat", "relu6", "mul_35", "conv2d_3", "add_81", "logits"):
        assert found.ranges[name] == both.table[name], name


def test_what_moves_numbers_around_keeps_their_range(both: Both) -> None:
    found = ranges_for(both.matched, both.table, both.data, MIN_MAX).ranges
    assert found["tflite"] == found["cat"]
    assert found["add_81:3"] == found["add_81"]
    assert found["avg_pool2d"] == found["relu_1"] != both.table["avg_pool2d"]


def test_a_sigmoid_has_the_range_of_its_kernel(both: Both) -> None:
    assert ranges_for(both.matched, both.table, both.data, MIN_MAX).ranges["sigmoid"] == Range(0.0, 255 / 256)


@pytest.mark.parametrize("observer", ["min-max", "percentile"])
def test_what_the_table_lacks_is_measured_as_it_would_have_been(both: Both, observer: str) -> None:
    chosen = find_observer(observer)
    tensors = ("conv2d_3", "linear")
    expected = collect(probe(both.onnx, tensors), "input", tensors, both.data, chosen).ranges
    poorer = {name: limits for name, limits in both.table.items() if name not in tensors}
    found = ranges_for(both.matched, poorer, both.data, chosen)
    assert sorted(found.measured) == sorted(tensors)
    for name in tensors:
        assert found.ranges[name].low == pytest.approx(expected[name].low, rel=1e-3)
        assert found.ranges[name].high == pytest.approx(expected[name].high, rel=1e-3)


def test_what_could_be_either_of_two_values_is_measured(both: Both) -> None:
    values = dict(both.matched.values) | {"conv2d_3": ("conv2d_3", "add_81")}
    found = ranges_for(replace(both.matched, values=values), both.table, both.data, MIN_MAX)
    assert found.measured == ("conv2d_3",)
    assert found.ranges["conv2d_3"].high == pytest.approx(both.table["conv2d_3"].high, rel=1e-4)


def test_what_stays_in_float_needs_no_range(both: Both) -> None:
    found = ranges_for(both.matched, both.table, both.data, MIN_MAX, kept=("relu",))
    assert "input" not in found.ranges
    assert "relu" in found.ranges
