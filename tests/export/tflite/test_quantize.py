"""Int8 TFLite models: numeric types, grids, and how close they stay to the ONNX ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

from edgeguard.calibration.observers import find_observer
from edgeguard.errors import BadModel, GuardFailed
from edgeguard.export.grids import grid_of
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize
from edgeguard.export.tflite.checks import check_grids, check_really_int8, tflite_integer_share
from edgeguard.export.tflite.convert import laid_out
from edgeguard.export.tflite.flatbuffer import builtin, name_of, pack, unpack
from edgeguard.export.tflite.quantize import quantize_tflite
from edgeguard.export.tflite.ranges import ranges_for
from edgeguard.runtimes.litert_session import open_litert
from edgeguard.targets import find_target
from tests.export.graphs import Array, random_inputs, run
from tests.export.tflite.conftest import Both
from tests.export.tflite.needs import needs_litert_torch
from tests.networks import SHAPE

pytestmark = needs_litert_torch

# Kernels that have their grid from elsewhere in TFLite.
OTHERWISE = {"avg_pool2d", "sigmoid"}


def quantized(both: Both, **options: Any) -> bytes:
    kept = options.get("kept", ())
    found = ranges_for(both.matched, both.table, both.data, find_observer("min-max"), kept=kept)
    return quantize_tflite(both.matched, found.ranges, **options)


@pytest.fixture(scope="module")
def int8(both: Both) -> bytes:
    return quantized(both)


def grids(data: bytes) -> dict[str, tuple[float, int]]:
    """Scale and zero point by tensor, of int8 activations."""
    graph = unpack(data).subgraphs[0]
    return {
        tensor.name.decode(): (float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]))
        for tensor in graph.tensors
        if tensor.type == schema.TensorType.INT8 and b"constant" not in tensor.name
    }


@pytest.mark.parametrize("target", ["arm64", "rpi5"])
def test_every_tensor_has_the_scale_and_zero_point_of_the_onnx_file(both: Both, int8: bytes, target: str) -> None:
    profile = find_target(target)
    model = run_passes(both.onnx, [Quantize(profile, both.table, head="int8")])
    held: dict[str, Array] = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    shift = 128 if profile.activation_type == "uint8" else 0
    onnx = {
        each.input[0].removesuffix("_float"): (float(held[each.input[1]]), int(held[each.input[2]]) - shift)
        for each in model.graph.node
        if each.op_type == "QuantizeLinear"
    }
    found = grids(int8)
    found |= {"input": found["input_quantized"], "logits": found["logits_int8"]}
    compared = set(onnx) & set(found) - OTHERWISE
    assert compared >= {"input", "relu", "relu_1", "relu6", "mean", "linear", "mul_35", "conv2d_3", "add_81", "relu_2"}
    for name in compared:
        assert found[name] == onnx[name], name


def test_weights_are_signed_and_symmetric_per_channel(int8: bytes) -> None:
    model = unpack(int8)
    graph = model.subgraphs[0]
    seen = 0
    for each in graph.operators:
        if name_of(builtin(model, each)) in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            weights = graph.tensors[each.inputs[1]]
            channels = weights.shape[3 if name_of(builtin(model, each)) == "DEPTHWISE_CONV_2D" else 0]
            assert weights.type == schema.TensorType.INT8
            assert len(weights.quantization.scale) == channels
            assert not np.any(weights.quantization.zeroPoint)
            seen += 1
    assert seen == 7


def test_the_same_gives_the_same_bytes(both: Both, int8: bytes) -> None:
    assert quantized(both) == int8


def test_constants_lie_inside_of_the_flatbuffer(int8: bytes) -> None:
    assert all(buffer.offset <= 1 for buffer in schema.ModelT.InitFromPackedBuf(int8, 0).buffers)
    assert open_litert(int8).output["name"] == "logits"


def test_logits_are_the_onnx_files_within_a_step(both: Both, int8: bytes) -> None:
    inputs = random_inputs(256, SHAPE, seed=1)
    model = run_passes(both.onnx, [Quantize(find_target("arm64"), both.table, head="int8")])
    expected, found = run(model, inputs), open_litert(int8).run(laid_out(inputs))
    steps = np.abs(np.rint((found - expected) / grid_of(both.table["logits"]).scale))
    assert (steps <= 1).mean() > 0.97
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.97


@pytest.mark.parametrize("head", ["float", "int8"])
@pytest.mark.parametrize("input_dtype", ["float32", "int8"])
def test_inputs_and_logits_come_in_the_types_asked_for(both: Both, int8: bytes, head: Any, input_dtype: Any) -> None:
    session = open_litert(quantized(both, head=head, input_dtype=input_dtype))
    assert np.dtype(session.input["dtype"]).name == input_dtype
    assert np.dtype(session.output["dtype"]).name == {"float": "float32", "int8": "int8"}[head]
    inputs = random_inputs(8, SHAPE)
    values = session.run(laid_out(inputs))
    if head == "int8":
        grid = grid_of(both.table["logits"])
        assert session.output["quantization"] == (grid.scale, grid.zero)
        values = (values.astype(np.float32) - grid.zero) * np.float32(grid.scale)
    np.testing.assert_allclose(values, open_litert(int8).run(laid_out(inputs)), rtol=1e-6)


def test_what_shall_stay_in_float_does(both: Both, int8: bytes) -> None:
    kept = quantized(both, kept=("conv2d_3",))
    assert "conv2d_3" in grids(int8)
    model = unpack(kept)
    graph = model.subgraphs[0]
    operator = next(each for each in graph.operators if graph.tensors[each.outputs[0]].name == b"conv2d_3")
    assert {int(graph.tensors[index].type) for index in operator.inputs} == {schema.TensorType.FLOAT32}
    assert tflite_integer_share(kept) < tflite_integer_share(int8) == 1
    open_litert(kept).run(laid_out(random_inputs(1, SHAPE)))


def test_a_tensor_without_a_range_is_named(both: Both) -> None:
    found = ranges_for(both.matched, both.table, both.data, find_observer("min-max")).ranges
    del found["mul_35"]
    with pytest.raises(GuardFailed, match=r"mul_35.*onnxruntime#11928"):
        quantize_tflite(both.matched, found)


def test_nothing_to_quantize_is_said(both: Both) -> None:
    model = unpack(both.matched.data)
    everything = tuple(tensor.name.decode() for tensor in model.subgraphs[0].tensors)
    with pytest.raises(BadModel, match="no convolution"):
        quantized(both, kept=everything)


def test_a_float_file_is_no_int8_file(both: Both) -> None:
    with pytest.raises(GuardFailed, match=r"CONV_2D 'relu': computes in float"):
        check_really_int8(both.matched.data, both.matched.data, ())


def test_a_file_that_did_not_shrink_is_no_int8_file(both: Both, int8: bytes) -> None:
    before = both.matched.data + bytes(100_000)
    check_really_int8(before, int8, ())
    with pytest.raises(GuardFailed, match="it is no int8 file"):
        check_really_int8(before, int8 + bytes(100_000), ())


def test_a_tensor_on_another_grid_is_noticed(both: Both, int8: bytes) -> None:
    wanted = {name: grid_of(both.table[name]) for name in ("relu", "logits", "input")}
    check_grids(int8, wanted)
    for name in wanted:
        with pytest.raises(GuardFailed, match=f"tensor '{name}'"):
            check_grids(int8, wanted | {name: replace(wanted[name], zero=wanted[name].zero ^ 1)})
    with pytest.raises(GuardFailed, match="is float in the int8 file"):
        check_grids(both.matched.data, wanted)


def test_shares_count_multiplications_not_layers(both: Both) -> None:
    """Of Branches' operations by layer; the two dense layers are 4 % of them."""
    assert tflite_integer_share(both.matched.data) == 0
    model = unpack(quantized(both))
    graph = model.subgraphs[0]
    for each in graph.operators:
        if name_of(builtin(model, each)) == "FULLY_CONNECTED":
            graph.tensors[each.inputs[1]].type = schema.TensorType.FLOAT32
    macs = {
        "stem": 16 * 16 * 8 * 27, "wide": 16 * 16 * 8 * 72, "depthwise": 4 * 4 * 16 * 9, "mix": 4 * 4 * 16 * 16,
        "gate": 16 * 16, "hidden": 24 * 256, "dense": 240,
    }  # fmt: skip
    dense = sum(macs[name] for name in ("gate", "hidden", "dense"))
    assert tflite_integer_share(pack(model)) == pytest.approx(1 - dense / sum(macs.values()))
