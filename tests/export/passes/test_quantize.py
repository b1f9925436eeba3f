"""Quantization: numeric types, which operators, which tensors, and how close the answers stay."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from edgeguard.calibration.observers import Range
from edgeguard.errors import BadModel, GuardFailed, UsageError
from edgeguard.export.checks import integer_mac_share
from edgeguard.export.head import cut_to_logits, find_head
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import OPERATORS, Quantize, probe, quantizable_tensors
from edgeguard.targets import TARGETS, find_target
from tests.artifacts import random_network
from tests.export.graphs import Array, build, count, measured_ranges, node, random_inputs, run

SHAPE = (3, 16, 16)


@functools.cache
def network() -> ModelProto:
    model = random_network()
    return cut_to_logits(model, find_head(model))


@functools.cache
def ranges() -> dict[str, Range]:
    return measured_ranges(network(), random_inputs(64, SHAPE))


def quantized(target: str = "arm64", **options: Any) -> ModelProto:
    return run_passes(network(), [Quantize(find_target(target), ranges(), **options)])


def constants(model: ModelProto) -> dict[str, Array]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def weights(model: ModelProto) -> dict[str, tuple[Array, Array, Array]]:
    """Integer weights by the node that uses them: values, scales, zero points."""
    held = constants(model)
    sources = {each.output[0]: each for each in model.graph.node if each.op_type == "DequantizeLinear"}
    found = {}
    for each in model.graph.node:
        if each.op_type in ("Conv", "Gemm") and each.input[1] in sources:
            found[each.name] = tuple(held[name] for name in sources[each.input[1]].input)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_activations_are_as_the_target_says_and_weights_signed_per_channel(target: str) -> None:
    model = quantized(target)
    held = constants(model)
    activations = [held[each.input[2]] for each in model.graph.node if each.op_type == "QuantizeLinear"]
    assert {value.dtype.name for value in activations} == {find_target(target).activation_type}
    assert set(weights(model)) == {"conv1", "conv2", "dense"}
    for name, (values, scales, zeros) in weights(model).items():
        assert values.dtype == np.int8, name
        assert scales.shape == (len(values),), name
        assert len(set(scales.tolist())) > 1, name
        assert not zeros.any(), name


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_weights_use_seven_bits_where_the_cpu_saturates(target: str) -> None:
    """Two products of 255 and 127 exceed 16 bits (64770 > 32767); 255 and 64 stay within (32640)."""
    largest = max(int(np.abs(values.astype(int)).max()) for values, _, _ in weights(quantized(target)).values())
    assert largest == (64 if target == "x86-64" else 127)
    assert find_target(target).reduce_range == (target == "x86-64")


def test_scales_come_from_our_own_ranges() -> None:
    held = constants(quantized())
    for tensor in ("image", "r1", "r2"):
        limits = ranges()[tensor]
        scale = held[f"{tensor}_scale"]
        assert float(scale) == pytest.approx((limits.high - limits.low) / 255, rel=1e-6)
        assert int(held[f"{tensor}_zero_point"]) == round(-limits.low / float(scale))


def test_another_range_gives_another_scale() -> None:
    doubled = ranges() | {"r1": Range(0, 2 * ranges()["r1"].high)}
    model = Quantize(find_target("arm64"), doubled).run(network())
    assert float(constants(model)["r1_scale"]) == pytest.approx(2 * ranges()["r1"].high / 255, rel=1e-6)


def test_answers_stay_close_to_the_float_network() -> None:
    """Eight bits over a range of about six deviations give 20 log10(255 sqrt(12) / 6) = 43 dB for one tensor; input,
    three sets of weights and two activations together make 10 log10(6) = 8 dB less. 30 dB leaves room; a wrong scale
    or zero point gives below 20."""
    values = random_inputs(128, SHAPE, seed=9)
    exact = run(network(), values)
    for head in ("float", "int8"):
        noise = run(quantized(head=head), values) - exact
        assert 10 * np.log10((exact**2).mean() / (noise**2).mean()) > 30


def test_seven_bits_cost_some_of_it() -> None:
    values = random_inputs(128, SHAPE, seed=9)
    exact = run(network(), values)
    errors = [np.square(run(quantized(target), values) - exact).mean() for target in ("arm64", "x86-64")]
    assert errors[0] < errors[1]


def mixed() -> ModelProto:
    """Operators on the list and off it in one chain."""
    rng = np.random.default_rng(0)
    held: dict[str, Array] = {
        "w1": rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "w2": rng.normal(0, 0.3, (10, 4, 1, 1)).astype(np.float32),
        "two": np.array(2.0, np.float32),
        "far": np.array([0, 10], np.int64),
    }
    nodes = [
        node("Conv", ["x", "w1"], "c1"),
        node("Softplus", ["c1"], "s"),
        node("Pow", ["s", "two"], "p"),
        node("Conv", ["p", "w2"], "c2"),
        node("GlobalAveragePool", ["c2"], "g"),
        node("Reshape", ["g", "far"], "r"),
        node("Softmax", ["r"], "logits"),
    ]
    return build(nodes, held)


def test_only_listed_operators_are_quantized() -> None:
    """onnxruntime's own choice would quantize the softmax too, and with it every answer to 1/256."""
    model = mixed()
    assert not {"Softplus", "Pow", "Softmax"} & OPERATORS
    assert quantizable_tensors(model) == ("x", "c1", "p", "c2", "g", "r")
    result = run_passes(model, [Quantize(find_target("arm64"), measured_ranges(model, random_inputs(32)))])
    producers = {name: each for each in result.graph.node for name in each.output}
    for kind in ("Softplus", "Pow", "Softmax"):
        (found,) = [each for each in result.graph.node if each.op_type == kind]
        readers = [each.op_type for each in result.graph.node if found.output[0] in each.input]
        before = producers[found.input[0]].op_type
        assert before in ("DequantizeLinear", "Softplus", "Reshape"), kind
        assert set(readers) <= {"QuantizeLinear", "Pow"}, kind
    assert result.graph.node[-1].op_type == "Softmax"


def test_shape_arithmetic_is_left_alone() -> None:
    """Integer tensors also flow through listed operators; quantizing them would destroy them."""
    held: dict[str, Array] = {
        "w": np.random.default_rng(0).normal(0, 0.1, (192, 10)).astype(np.float32),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "rest": np.array([-1], np.int64),
    }
    nodes = [
        node("Shape", ["x"], "shape"),
        node("Slice", ["shape", "zero", "one"], "batch"),
        node("Concat", ["batch", "rest"], "wanted", axis=0),
        node("Reshape", ["x", "wanted"], "f"),
        node("MatMul", ["f", "w"], "logits"),
    ]
    model = build(nodes, held)
    assert quantizable_tensors(model) == ("x", "f", "logits")
    result = run_passes(model, [Quantize(find_target("arm64"), measured_ranges(model, random_inputs(32)))])
    values = random_inputs(5)
    assert np.abs(run(result, values) - run(model, values)).max() < 0.2


def test_a_node_kept_in_float_stays_exactly_as_it_was() -> None:
    model = quantized(keep_float=("conv2",))
    assert set(weights(model)) == {"conv1", "dense"}
    (kept,) = [each for each in model.graph.node if each.name == "conv2"]
    assert kept.input[1] in {tensor.name for tensor in model.graph.initializer}
    before = constants(network())
    assert np.array_equal(constants(model)[kept.input[1]], before[kept.input[1]])
    assert integer_mac_share(model) < integer_mac_share(quantized())


def test_the_node_to_keep_must_exist() -> None:
    with pytest.raises(UsageError, match=r"--keep-float: there is no node 'conv9'"):
        quantizable_tensors(network(), ("conv9",))


def test_what_a_relu_alone_reads_needs_no_range_unless_the_relu_stays_in_float() -> None:
    model = network()
    assert quantizable_tensors(model) == ("image", "r1", "r2", "flat", "logits")
    kept = quantizable_tensors(model, ("relu1",))
    assert set(kept) == {"image", "c1", "r1", "r2", "flat", "logits"}
    with pytest.raises(GuardFailed, match="tensor 'c1': has no calibrated range"):
        Quantize(find_target("arm64"), ranges(), ("relu1",)).requires(model)
    known = measured_ranges(model, random_inputs(64, SHAPE), ("relu1",))
    assert "c1_scale" in constants(run_passes(model, [Quantize(find_target("arm64"), known, ("relu1",))]))


def test_a_range_for_what_a_relu_alone_reads_changes_nothing() -> None:
    model = Quantize(find_target("arm64"), {**ranges(), "c1": Range(-1e6, 1e6)}).run(network())
    assert model.SerializeToString() == Quantize(find_target("arm64"), ranges()).run(network()).SerializeToString()


def test_what_others_read_too_needs_a_range() -> None:
    rng = np.random.default_rng(0)
    held: dict[str, Array] = {
        "w1": rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "w2": rng.normal(0, 0.3, (10, 4, 6, 6)).astype(np.float32),
    }
    nodes = [
        node("Conv", ["x", "w1"], "c1"),
        node("Relu", ["c1"], "r1"),
        node("Add", ["c1", "r1"], "sum"),
        node("Conv", ["sum", "w2"], "c2"),
        node("Flatten", ["c2"], "logits"),
    ]
    model = build(nodes, held)
    assert quantizable_tensors(model) == ("x", "c1", "r1", "sum", "c2", "logits")
    result = run_passes(model, [Quantize(find_target("arm64"), measured_ranges(model, random_inputs(32)))])
    values = random_inputs(32, seed=9)
    exact = run(model, values)
    # As above: one tensor more, and one set of weights less.
    assert 10 * np.log10((exact**2).mean() / ((run(result, values) - exact) ** 2).mean()) > 30


@pytest.mark.parametrize("tensor", ["image", "r1", "flat"])
def test_a_tensor_without_a_range_is_named(tensor: str) -> None:
    partial = {name: value for name, value in ranges().items() if name != tensor}
    with pytest.raises(GuardFailed, match=f"tensor '{tensor}': has no calibrated range.*11928"):
        Quantize(find_target("arm64"), partial).requires(network())
    Quantize(find_target("arm64"), ranges()).requires(network())


def test_a_network_without_anything_to_quantize() -> None:
    model = build([node("Flatten", ["x"], "f"), node("Relu", ["f"], "logits")], {}, output_shape=("batch", 192))
    with pytest.raises(BadModel, match=r"no convolution or matrix product to quantize.*without --int8"):
        quantizable_tensors(model)
    with pytest.raises(BadModel, match="no convolution or matrix product"):
        quantizable_tensors(network(), ("conv1", "conv2", "dense"))


def test_the_probe_shows_every_tensor_and_nothing_twice() -> None:
    tensors = quantizable_tensors(network())
    model = ModelProto.FromString(probe(network(), tensors))
    names = [value.name for value in model.graph.output]
    assert len(names) == len(set(names))
    assert set(names) == set(tensors) - {"image"} | {"logits"}


def test_what_comes_out_is_versioned_for_the_target_and_standard_only() -> None:
    model = quantized()
    assert (model.ir_version, [(entry.domain, entry.version) for entry in model.opset_import]) == (9, [("", 20)])
    assert {each.domain for each in model.graph.node} == {""}
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert count(network(), "QuantizeLinear") == 0


def test_its_guards_on_doctored_results() -> None:
    passed = Quantize(find_target("arm64"), ranges())
    renamed, unsorted = quantized(), quantized()
    renamed.graph.output[0].name = renamed.graph.node[-1].output[0] = "other"
    with pytest.raises(GuardFailed, match="renamed the logits"):
        passed.ensures(network(), renamed)
    nodes = list(unsorted.graph.node)
    del unsorted.graph.node[:]
    unsorted.graph.node.extend(reversed(nodes))
    with pytest.raises(GuardFailed, match="invalid after quantization"):
        passed.ensures(network(), unsorted)
