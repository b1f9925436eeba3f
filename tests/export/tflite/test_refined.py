"""A TFLite file with the integers of an int8 ONNX network."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from edgeguard.calibration.effort import Effort
from edgeguard.calibration.observers import Range, find_observer
from edgeguard.export.grids import grid_of
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize
from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.layers import QuantizedLayer, integer_layers
from edgeguard.export.refining.partial import Trial
from edgeguard.export.refining.refine import refined
from edgeguard.export.tflite.flatbuffer import builtin, name_of, pack, unpack
from edgeguard.export.tflite.matching import Matched, counterpart
from edgeguard.export.tflite.quantize import quantize_tflite
from edgeguard.export.tflite.ranges import ranges_for
from edgeguard.export.tflite.refined import refined_like
from edgeguard.targets import find_target
from tests.export.graphs import Array
from tests.export.requests import Heard
from tests.export.tflite.conftest import Both
from tests.export.tflite.needs import needs_litert_torch
from tests.export.tflite.networks import halved

pytestmark = needs_litert_torch

# All that change weights or biases, whether or not they help.
ALL = Effort("min-max", ("clip-weights", "bias", "gptq"), measured=False)
LAYERS = 7


def draft_of(both: Both) -> Draft:
    def quantized(model: ModelProto, ranges: Any) -> ModelProto:
        return run_passes(model, [Quantize(find_target("arm64"), ranges, head="int8")])

    return Draft.of(both.onnx, both.table, quantized)


@pytest.fixture(scope="module")
def quantized(both: Both) -> ModelProto:
    """The int8 ONNX network, refined."""
    return refined(draft_of(both), ALL, Trial(both.data, 64, None), Heard())[0].quantized


@pytest.fixture(scope="module")
def int8(both: Both, quantized: ModelProto) -> bytes:
    """The TFLite file of it."""
    return in_int8(both, refined_like(both.matched, both.onnx, quantized).matched, both.table)


def in_int8(both: Both, matched: Matched, table: dict[str, Range]) -> bytes:
    found = ranges_for(matched, table, both.data, find_observer("min-max"))
    return quantize_tflite(matched, found.ranges)


def held(data: bytes, tensor: str) -> tuple[Array, Array, float]:
    """The weights of the operator that computes a tensor, with the outputs first and their inputs second; its bias; and
    the scale of its input, 0 for a float model."""
    model = unpack(data)
    graph = model.subgraphs[0]
    operator = next(
        each
        for each in graph.operators
        if graph.tensors[each.outputs[0]].name.decode().removesuffix("_int8") == tensor
        and name_of(builtin(model, each)) in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    )
    source, *constants = (graph.tensors[index] for index in operator.inputs)
    kinds = {0: np.float32, 2: np.int32, 9: np.int8}
    weights, bias = (
        np.frombuffer(bytes(model.buffers[each.buffer].data), kinds[each.type]).reshape(each.shape)
        for each in constants
    )
    if name_of(builtin(model, operator)) == "DEPTHWISE_CONV_2D":
        weights = weights.transpose(3, 0, 1, 2)
    elif weights.ndim == 4:
        weights = weights.transpose(0, 3, 1, 2)
    scales = source.quantization.scale if source.quantization is not None else None
    return weights.reshape(len(weights), -1), bias, float(scales[0]) if scales is not None else 0.0


def tensor_of(both: Both, layer: QuantizedLayer) -> str:
    found = counterpart(both.matched, both.onnx, next(each for each in both.onnx.graph.node if each.name == layer.name))
    assert found is not None
    return found


def test_the_int8_files_weights_are_the_onnx_networks_to_the_bit(
    both: Both, quantized: ModelProto, int8: bytes
) -> None:
    layers = integer_layers(both.onnx, quantized)
    nearest = integer_layers(both.onnx, draft_of(both).quantized)
    assert len(layers) == LAYERS
    assert not all(np.array_equal(a.integers.levels, b.integers.levels) for a, b in zip(layers, nearest, strict=True))
    for layer in layers:
        assert np.array_equal(held(int8, tensor_of(both, layer))[0], layer.integers.levels), layer.name


def test_the_int8_files_biases_are_the_onnx_networks_within_a_step(
    both: Both, quantized: ModelProto, int8: bytes
) -> None:
    compared = 0
    for layer in integer_layers(both.onnx, quantized):
        _, bias, scale = held(int8, tensor_of(both, layer))
        if scale == pytest.approx(grid_of(both.table[layer.source]).scale):
            assert np.abs(bias - layer.integers.bias).max() <= 1, layer.name
            compared += 1
    assert compared == LAYERS


def test_integers_rounded_to_the_nearest_are_those_of_a_file_that_was_never_refined(both: Both) -> None:
    found = refined_like(both.matched, both.onnx, draft_of(both).quantized)
    assert found.left == ()
    one, other = (in_int8(both, matched, both.table) for matched in (found.matched, both.matched))
    for layer in integer_layers(both.onnx, draft_of(both).quantized):
        for a, b in zip(held(one, tensor_of(both, layer)), held(other, tensor_of(both, layer)), strict=True):
            assert np.abs(a - b).max() <= 1, layer.name


def test_the_float_model_holds_what_the_integers_stand_for(both: Both, quantized: ModelProto) -> None:
    data = refined_like(both.matched, both.onnx, quantized).matched.data
    for layer in integer_layers(both.onnx, quantized):
        weights, bias, _ = held(data, tensor_of(both, layer))
        np.testing.assert_allclose(weights, layer.rounded, rtol=1e-6)
        np.testing.assert_allclose(bias, layer.integers.bias * layer.bias_scale, rtol=1e-6)
    assert len(data) == len(both.matched.data)


def test_a_searched_range_is_taken_wherever_its_numbers_are(both: Both) -> None:
    """TFLite's ``sigmoid`` is two values of the ONNX network, of which one only has a scale to search for."""
    found = refined_like(both.matched, both.onnx, draft_of(both).quantized).matched
    assert both.matched.values["mean"] != () != both.matched.values["sigmoid"]
    assert len(found.values["sigmoid"]) == 1
    wider = {name: Range(limits.low * 1.3, limits.high * 1.3) for name, limits in both.table.items()}
    changed = {**both.table, **{name: wider[name] for name in ("relu6", "mean", *found.values["sigmoid"])}}
    ranges = ranges_for(found, changed, both.data, find_observer("min-max"))
    assert ranges.measured == ()
    assert (ranges.ranges["relu6"], ranges.ranges["mean"]) == (wider["relu6"], wider["mean"])


def test_a_layer_that_no_operator_computes_is_left_as_it_is(both: Both) -> None:
    """Its weights are half of TFLite's, which has drawn a factor of two behind it into them."""
    model = halved(both.onnx)
    ranges = {**both.table, "half": Range(both.table["logits"].low / 2, both.table["logits"].high / 2)}
    quantized = run_passes(model, [Quantize(find_target("arm64"), ranges, head="int8")])
    found = refined_like(both.matched, model, quantized)
    layers = integer_layers(model, quantized)
    assert len(layers) == LAYERS
    assert found.left == (layers[-1].name,)
    for before, after in zip(held(both.matched.data, "logits"), held(found.matched.data, "logits"), strict=True):
        assert np.array_equal(before, after)


def test_a_layer_with_another_bias_is_left_as_it_is(both: Both, quantized: ModelProto) -> None:
    model = unpack(both.matched.data)
    bias = next(each for each in model.subgraphs[0].tensors if each.name == b"logits/constant:2")
    moved = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.float32) + np.float32(0.5)
    model.buffers[bias.buffer].data = np.frombuffer(moved.tobytes(), np.uint8)
    found = refined_like(replace(both.matched, data=pack(model)), both.onnx, quantized)
    assert found.left == (integer_layers(both.onnx, quantized)[-1].name,)
    assert np.array_equal(held(found.matched.data, "logits")[1], moved)


def test_whoever_shares_a_constant_keeps_it(both: Both, quantized: ModelProto) -> None:
    model = unpack(both.matched.data)
    graph = model.subgraphs[0]
    shared = copy(next(each for each in graph.tensors if each.name == b"relu/constant"))
    shared.name = b"another"
    graph.tensors.append(shared)
    first, second = (
        next(each for each in graph.operators if graph.tensors[each.outputs[0]].name == name)
        for name in (b"relu", b"relu_1")
    )
    second.inputs = np.array([*second.inputs[:2], first.inputs[2]], np.int32)
    old = held(both.matched.data, "relu")
    found = refined_like(replace(both.matched, data=pack(model)), both.onnx, quantized)
    stem, wide, *_ = integer_layers(both.onnx, quantized)
    assert found.left == (wide.name,)
    after = unpack(found.matched.data)
    copied = next(each for each in after.subgraphs[0].tensors if each.name == b"another")
    kept = np.frombuffer(bytes(after.buffers[copied.buffer].data), np.float32).reshape(8, 3, 3, 3)
    assert np.array_equal(kept.transpose(0, 3, 1, 2).reshape(8, -1), old[0])
    assert np.array_equal(held(found.matched.data, "relu_1")[1], old[1])
    np.testing.assert_allclose(held(found.matched.data, "relu")[0], stem.rounded, rtol=1e-6)
    np.testing.assert_allclose(held(found.matched.data, "relu")[1], stem.integers.bias * stem.bias_scale, rtol=1e-6)
