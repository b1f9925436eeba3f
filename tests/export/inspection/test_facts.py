"""What a file says about its layers, against what it was made from."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from edgeguard.calibration.observers import Range
from edgeguard.export.inspection.facts import dequantized_weights, onnx_facts, output_grid
from edgeguard.export.inspection.weights import watch_weights
from edgeguard.export.layers import layers_of
from edgeguard.export.passes.fold import optimized
from edgeguard.export.passes.quantize import Quantize
from edgeguard.targets import find_target
from tests.export.graphs import measured_ranges, random_inputs
from tests.export.spoilt import chain, spoil

INPUTS = random_inputs(32)


@functools.cache
def ranges() -> dict[str, Range]:
    return measured_ranges(chain(), INPUTS)


def quantized(*kept: str, target: str = "arm64") -> ModelProto:
    return Quantize(find_target(target), ranges(), keep_float=kept).run(chain())


@pytest.mark.parametrize("target", ["arm64", "rpi5"])
def test_every_layer_with_its_work_and_its_grid(target: str) -> None:
    found = {each.name: each for each in onnx_facts(quantized("c3", target=target), None)}
    assert list(found) == ["c1", "c2", "c3", "c4", "dense"]
    assert {name: each.integer for name, each in found.items()} == {
        name: name != "c3" for name in ("c1", "c2", "c3", "c4", "dense")
    }
    # 6 channels of 8 x 8 from 3 (then 6) of 3 x 3.
    assert [each.macs for each in found.values()] == [6 * 64 * 27, *[6 * 64 * 54] * 3, 6 * 64 * 10]
    assert [each.weight_bytes for each in found.values()] == [6 * 27, 6 * 54, 4 * 6 * 54, 6 * 54, 6 * 64 * 10]
    grid = found["c1"].grid
    limits = ranges()["r1"]
    assert grid is not None
    assert grid.scale == pytest.approx((limits.high - limits.low) / 255)
    assert (grid.low, grid.high) == (pytest.approx(limits.low), pytest.approx(limits.high))
    assert grid.zero_point == {"arm64": 0, "rpi5": -128}[target]
    # Its output is rounded for the next layer, which is int8; the logits are not rounded at all.
    assert found["c3"].grid is not None
    assert found["dense"].grid is None


def test_a_batch_counts_once() -> None:
    one, four = (onnx_facts(chain(), batch)[0].macs for batch in (None, 4))
    assert one == 4 * (four or 0)


def test_a_float_network() -> None:
    found = onnx_facts(chain(), None)
    assert {each.integer for each in found} == {False}
    assert {each.grid for each in found} == {None}


def test_operators_that_quantize_their_own_output() -> None:
    """As ONNX Runtime's other format has them, and files that somebody else quantized."""
    model = optimized(quantized(), extended=True)
    layers = {layer.name: layer for layer in layers_of(model)}
    assert layers["c2"].kind == "QLinearConv"
    for name in ("c1", "c4"):
        expected = next(each.grid for each in onnx_facts(quantized(), None) if each.name == name)
        found = output_grid(model, layers[name])
        assert found is not None
        assert expected is not None
        assert (found.scale, found.zero_point) == (expected.scale, expected.zero_point)
    exact = {layer.name: dequantized_weights(chain(), layer) for layer in layers_of(chain())}
    for name in ("c1", "c3"):
        assert np.abs(dequantized_weights(model, layers[name]) - exact[name]).max() < np.abs(exact[name]).max() / 200


def test_weights_are_rounded_by_less_than_a_step() -> None:
    model = quantized()
    for layer, before in zip(layers_of(model), layers_of(chain()), strict=True):
        exact = dequantized_weights(chain(), before)
        held = {tensor.name: numpy_helper.to_array(tensor) for tensor in chain().graph.initializer}
        assert np.array_equal(exact, held[before.weights])
        assert np.abs(dequantized_weights(model, layer) - exact).max() <= np.abs(exact).max() / 254 + 1e-6


def test_outliers_among_weights_show_without_any_image() -> None:
    exact = spoil(chain(), "c2")
    ruined = Quantize(find_target("arm64"), measured_ranges(exact, INPUTS), keep_float=("c4",)).run(exact)
    found = watch_weights(exact, ruined)
    healthy = watch_weights(chain(), quantized())["c2"].sqnr_db
    assert healthy is not None
    assert healthy > 35
    # The outliers themselves are exact: what is lost are the weights beside them.
    assert found["c2"].values.high == pytest.approx(
        3000 * np.abs(dequantized_weights(chain(), layers_of(chain())[1])).max()
    )
    assert (found["c4"].compared, found["c4"].sqnr_db) == (True, None)
    assert sum(found["c1"].values.counts) == 7 * 27
    alone = watch_weights(None, ruined)["c1"]
    assert (alone.compared, alone.sqnr_db) == (False, None)
    assert sum(alone.values.counts) == 7 * 27


def test_nodes_without_names_are_told_apart_by_their_outputs() -> None:
    """Files that somebody else quantized."""
    model = quantized()
    expected = [each.grid for each in onnx_facts(model, None)]
    for each in model.graph.node:
        each.name = ""
    found = onnx_facts(model, None)
    # Outputs are named by what follows: an int8 ReLU is a part of its layer.
    assert [each.name for each in found] == ["r1", "r2", "r3", "r4", "logits"]
    assert [each.grid for each in found] == expected
    assert set(watch_weights(chain(), model)) == {each.name for each in found}
