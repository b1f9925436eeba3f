"""From a loaded network to the one that is deployed: preparing it, and its quantization step."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto

from edgeguard.calibration.sets import array_set
from edgeguard.errors import BadModel
from edgeguard.export.loading import LoadedModel
from edgeguard.export.network import keep_in_float, prepare, quantize, sample
from edgeguard.export.request import QuantizationChoice
from edgeguard.export.tools import tool_versions
from edgeguard.targets import find_target
from tests.artifacts import random_network
from tests.export.graphs import build, node, random_inputs, run
from tests.export.requests import Heard, request_for

TARGET = find_target("arm64")


def loaded(model: ModelProto, shape: tuple[int, ...], batch: int | None = None) -> LoadedModel:
    return LoadedModel(model, None, shape, batch, "0" * 64, "onnx")


def test_a_softmax_is_cut_and_batch_norm_folded() -> None:
    rng = np.random.default_rng(0)
    held = {
        "w": rng.normal(0, 0.3, (10, 3, 8, 8)).astype(np.float32),
        **{name: rng.uniform(0.5, 1, 10).astype(np.float32) for name in ("gain", "shift", "mean", "variance")},
    }
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("BatchNormalization", ["c", "gain", "shift", "mean", "variance"], "b"),
        node("Flatten", ["b"], "f"),
        node("Softmax", ["f"], "out"),
    ]
    model = build(nodes, held, output="out", opset=15, ir_version=8)
    prepared, classes = prepare(loaded(model, (3, 8, 8)), TARGET)
    assert classes == 10
    assert [each.op_type for each in prepared.graph.node] == ["Conv", "Flatten"]
    logits = run(prepared, random_inputs(3))
    posterior = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(posterior - run(model, random_inputs(3))).max() < 1e-5


def test_a_network_that_mixes_up_its_batch_is_refused() -> None:
    """Its file says [batch, 10], and it returns one row for any batch."""
    held = {"w": np.random.default_rng(0).normal(0, 0.1, (192, 10)).astype(np.float32)}
    nodes = [
        node("Flatten", ["x"], "f"),
        node("MatMul", ["f", "w"], "m"),
        node("Concat", ["m", "m"], "two", axis=0),
        node("Identity", ["two"], "logits"),
    ]
    with pytest.raises(BadModel, match=r"returns \[8, 10\] for a batch of 4, not \[batch, 10\]"):
        prepare(loaded(build(nodes, held), (3, 8, 8)), TARGET)


def test_the_step_of_a_float_network_is_what_int8_would_have() -> None:
    model = random_network()
    values = random_inputs(40, (3, 16, 16))
    network = keep_in_float(model, 10, values, None)
    logits = run(model, values)
    assert network.step == pytest.approx((logits.max() - logits.min()) / 255)
    assert (network.quantization, network.calibration, network.table) == (None, None, None)


def test_a_step_is_never_zero() -> None:
    held = {"w": np.zeros((192, 10), np.float32)}
    model = build([node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "logits")], held)
    assert keep_in_float(model, 10, random_inputs(4), None).step > 0


def test_the_step_of_an_int8_network_comes_from_the_table() -> None:
    data = array_set(random_inputs(40, (3, 16, 16)), synthetic=False)
    request = request_for("model.onnx", "nowhere/model.edgeguard")
    network = quantize(request, QuantizationChoice(), random_network(), 10, data, None, Heard())
    assert network.table is not None
    limits = network.table.ranges["logits"]
    assert network.step == pytest.approx((limits.high - limits.low) / 255)
    assert network.calibration is not None
    assert network.calibration.table == network.table.key.digest


@pytest.mark.parametrize(("count", "expected"), [(5, 5), (32, 32), (50, 50), (100, 70)])
def test_a_sample_is_the_first_inputs(count: int, expected: int) -> None:
    inputs = random_inputs(70)
    found = sample(array_set(inputs, synthetic=False), count)
    assert np.array_equal(found, inputs[:expected])


def test_torch_is_named_only_where_it_had_a_hand_in_it() -> None:
    assert "torch" not in tool_versions("onnx")
    assert {"torch", "onnxscript"} <= set(tool_versions("torchscript"))
