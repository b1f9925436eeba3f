"""Gemm biases of shape [1, n] or [1], which ONNX Runtime's quantizer cannot take per channel."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from edgeguard.errors import GuardFailed
from edgeguard.export.passes.flat_bias import FlatBias
from edgeguard.export.passes.quantize import Quantize
from edgeguard.targets import find_target
from tests.export.graphs import Array, build, measured_ranges, node, random_inputs, run


def network(bias: Array, *, transposed: bool = False) -> ModelProto:
    weights = np.random.default_rng(0).normal(0, 0.2, (192, 10)).astype(np.float32)
    constants: dict[str, Array] = {"w": weights.T.copy() if transposed else weights, "b": bias.astype(np.float32)}
    nodes = [node("Flatten", ["x"], "f"), node("Gemm", ["f", "w", "b"], "logits", transB=int(transposed))]
    return build(nodes, constants)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", [(1, 10), (1,), (1, 1), ()])
def test_biases_become_flat_and_the_network_stays(shape: tuple[int, ...], transposed: bool) -> None:
    model = network(np.arange(np.prod(shape, dtype=int)).reshape(shape) + 0.5, transposed=transposed)
    flat = FlatBias().run(model)
    FlatBias().ensures(model, flat)
    biases = [
        numpy_helper.to_array(each) for each in flat.graph.initializer if each.name == flat.graph.node[1].input[2]
    ]
    assert [bias.shape for bias in biases] == [(10,)]
    assert np.array_equal(run(flat, random_inputs(3)), run(model, random_inputs(3)))
    assert len(flat.graph.initializer) == 2


def test_a_flat_bias_is_left_alone() -> None:
    model = network(np.arange(10))
    assert FlatBias().run(model) == model


def test_a_bias_that_differs_between_rows_is_left_alone() -> None:
    """It belongs to the batch, not to the outputs."""
    model = network(np.arange(20).reshape(2, 10))
    assert FlatBias().run(model) == model


def test_a_constant_that_others_use_too_stays() -> None:
    model = network(np.full((1, 10), 0.5))
    model.graph.node[1].output[0] = model.graph.node[1].name = "g"
    model.graph.node.append(node("Add", ["g", "b"], "logits"))
    flat = FlatBias().run(model)
    assert "b" in {each.name for each in flat.graph.initializer}
    assert np.array_equal(run(flat, random_inputs(3)), run(model, random_inputs(3)))


def test_the_quantizer_takes_what_it_makes_and_fails_without_it() -> None:
    model = network(np.arange(10).reshape(1, 10))
    ranges = measured_ranges(model, random_inputs(32))
    target = find_target("arm64")
    with pytest.raises(ValueError, match="truth value of an array"):
        Quantize(target, ranges).run(model)
    quantized = Quantize(target, ranges).run(FlatBias().run(model))
    assert run(quantized, random_inputs(3)).shape == (3, 10)


def test_its_guard() -> None:
    after = network(np.arange(10))
    after.graph.node.add().op_type = "Identity"
    with pytest.raises(GuardFailed, match="changed the operators"):
        FlatBias().ensures(network(np.arange(10)), after)
