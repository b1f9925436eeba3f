"""From ranges to scales and zero points: what both quantizers write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, numpy_helper

from edgeguard.calibration.observers import Range
from edgeguard.export.found_head import LOGITS
from edgeguard.export.grids import grid_of
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize
from edgeguard.targets import find_target
from tests.export.graphs import Array, build, node

ENDS = st.floats(0, 1e6, width=32)


def one_layer() -> ModelProto:
    constants = {"w": np.eye(10, dtype=np.float32)}
    return build([node("MatMul", ["x", "w"], LOGITS)], constants, shape=(10,))


@given(ENDS, ENDS)
def test_zero_is_on_the_grid_and_both_ends_within_half_a_step(below: float, above: float) -> None:
    grid = grid_of(Range(-below, above))
    assert -128 <= grid.zero <= 127
    for end in (-below, above):
        nearest = np.clip(round(end / grid.scale) + grid.zero, -128, 127)
        assert abs((nearest - grid.zero) * grid.scale - end) <= 0.5001 * grid.scale


def test_a_range_without_extent_has_a_scale_all_the_same() -> None:
    assert grid_of(Range(0.0, 0.0)).scale == 1


@pytest.mark.parametrize("target", ["arm64", "rpi5"])
@given(ENDS.filter(lambda end: end > 1e-3), ENDS)
def test_onnx_runtimes_quantizer_writes_the_same(target: str, below: float, above: float) -> None:
    limits = Range(-below, above)
    profile = find_target(target)
    model = run_passes(one_layer(), [Quantize(profile, {"x": limits, LOGITS: limits}, head="int8")])
    held: dict[str, Array] = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    found = {
        (float(held[each.input[1]]), int(held[each.input[2]]))
        for each in model.graph.node
        if each.op_type == "QuantizeLinear"
    }
    grid = grid_of(limits)
    assert found == {(grid.scale, grid.zero + (128 if profile.activation_type == "uint8" else 0))}
