"""Whether logits leave the network as float or as one of 256 values, whatever carries them to the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, checker, numpy_helper

from edgeguard.export.head import cut_to_logits, find_head
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize
from edgeguard.targets import find_target
from tests.export.graphs import Array, build, measured_ranges, node, random_inputs, run

RNG = np.random.default_rng(4)
HELD: dict[str, Array] = {
    "w": RNG.normal(0, 0.3, (6, 3, 3, 3)).astype(np.float32),
    "dense": RNG.normal(0, 0.2, (216, 10)).astype(np.float32),
    "bias": RNG.normal(0, 0.2, 10).astype(np.float32),
    "map": RNG.normal(0, 0.3, (10, 6, 1, 1)).astype(np.float32),
    "square": np.array([0, 10, 1, 1], np.int64),
    "flat": np.array([0, 10], np.int64),
}
ENDS: dict[str, list[NodeProto]] = {
    "gemm": [node("Flatten", ["r"], "f"), node("Gemm", ["f", "dense", "bias"], "logits")],
    "matmul": [node("Flatten", ["r"], "f"), node("MatMul", ["f", "dense"], "logits")],
    "matmul, add": [
        node("Flatten", ["r"], "f"), node("MatMul", ["f", "dense"], "m"), node("Add", ["m", "bias"], "logits")
    ],
    "pool, flatten": [
        node("Conv", ["r", "map"], "c"), node("GlobalAveragePool", ["c"], "g"), node("Flatten", ["g"], "logits")
    ],
    "gemm, reshape, reshape": [
        node("Flatten", ["r"], "f"), node("Gemm", ["f", "dense"], "m"), node("Reshape", ["m", "square"], "s"),
        node("Reshape", ["s", "flat"], "logits"),
    ],
}  # fmt: skip
# Calibrated on, too: what lies outside the ranges is clipped, which is another matter.
INPUTS = random_inputs(200)


def network(end: str) -> ModelProto:
    nodes = [node("Conv", ["x", "w"], "a"), node("Relu", ["a"], "r"), *ENDS[end]]
    used = {name for each in nodes for name in each.input}
    model = build(nodes, {name: value for name, value in HELD.items() if name in used})
    return cut_to_logits(model, find_head(model))


def quantized(end: str, head: str) -> tuple[ModelProto, ModelProto]:
    exact = network(end)
    ranges = measured_ranges(exact, INPUTS)
    passed = Quantize(find_target("arm64"), ranges, head="int8" if head == "int8" else "float")
    return exact, run_passes(exact, [passed])


def step(exact: ModelProto) -> float:
    """A 255th of the logits' range: rounding each of input, activations and logits to such steps of their own gives
    logits an error of about sqrt(4/12) of it; a wrong scale or zero point gives dozens."""
    limits = measured_ranges(exact, INPUTS)["logits"]
    return (limits.high - limits.low) / 255


def rms(values: Array) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


@pytest.mark.parametrize("end", sorted(ENDS))
def test_float_logits_take_values_between_the_steps(end: str) -> None:
    exact, model = quantized(end, "float")
    checker.check_model(model, full_check=True)
    producers = {name: each for each in model.graph.node for name in each.output}
    last = producers["logits"]
    while last.op_type in ("Reshape", "Flatten"):
        last = producers[last.input[0]]
    assert last.op_type not in ("QuantizeLinear", "DequantizeLinear")
    logits = run(model, INPUTS)
    assert len(np.unique(logits)) > 500
    assert rms(logits - run(exact, INPUTS)) < step(exact)


@pytest.mark.parametrize("end", sorted(ENDS))
def test_int8_logits_are_whole_steps(end: str) -> None:
    exact, model = quantized(end, "int8")
    checker.check_model(model, full_check=True)
    logits = run(model, INPUTS)
    steps = logits.astype(np.float64) / step(exact)
    assert len(np.unique(logits)) <= 256
    assert np.abs(steps - np.round(steps)).max() < 1e-3
    assert rms(logits - run(exact, INPUTS)) < step(exact)


@pytest.mark.parametrize("end", sorted(ENDS))
def test_the_output_keeps_its_name_and_form(end: str) -> None:
    for head in ("float", "int8"):
        _, model = quantized(end, head)
        (output,) = model.graph.output
        assert output.name == "logits"
        assert run(model, random_inputs(3)).shape == (3, 10)


def test_logits_kept_in_float_are_quantized_on_their_own_for_an_int8_head() -> None:
    """The last layer stays float, so nobody else puts them on a grid."""
    exact = network("gemm")
    ranges = measured_ranges(exact, INPUTS)
    kept = exact.graph.node[-1].name
    model = run_passes(exact, [Quantize(find_target("arm64"), ranges, keep_float=(kept,), head="int8")])
    assert [each.op_type for each in model.graph.node][-2:] == ["QuantizeLinear", "DequantizeLinear"]
    logits = run(model, INPUTS)
    assert len(np.unique(logits)) <= 256
    assert rms(logits - run(exact, INPUTS)) < step(exact)


@pytest.mark.parametrize("kept", [(), ("n_logits",)], ids=["quantized", "float"])
def test_a_target_with_signed_activations(kept: tuple[str, ...]) -> None:
    """None has them yet; the table that decides will be measured on the boards."""
    exact = network("gemm")
    signed = replace(find_target("arm64"), activation_type="int8")
    passed = Quantize(signed, measured_ranges(exact, INPUTS), keep_float=kept, head="int8")
    model = run_passes(exact, [passed])
    held = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    zeros = [held[each.input[2]].dtype for each in model.graph.node if each.op_type == "QuantizeLinear"]
    assert set(zeros) == {np.dtype(np.int8)}
    assert rms(run(model, INPUTS) - run(exact, INPUTS)) < step(exact)


def test_logits_that_are_always_zero() -> None:
    exact = network("gemm")
    for tensor in exact.graph.initializer:
        if tensor.name in ("dense", "bias"):
            tensor.CopyFrom(numpy_helper.from_array(np.zeros(tensor.dims, np.float32), tensor.name))
    passed = Quantize(find_target("arm64"), measured_ranges(exact, INPUTS), keep_float=("n_logits",), head="int8")
    assert not run(run_passes(exact, [passed]), INPUTS).any()
