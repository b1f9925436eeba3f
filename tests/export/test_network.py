"""From a prepared network to the one that is deployed, and its quantization step."""

from __future__ import annotations

import numpy as np
import pytest

from edgeguard.calibration.sets import array_set
from edgeguard.export.network import keep_in_float, quantize, sample
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.fold import Fold
from edgeguard.export.request import QuantizationChoice
from edgeguard.export.tools import tool_versions
from tests.artifacts import random_network
from tests.export.graphs import build, node, prepared, random_inputs, run
from tests.export.requests import Heard, request_for


def test_the_step_of_a_float_network_is_what_int8_would_have() -> None:
    model = random_network()
    values = random_inputs(40, (3, 16, 16))
    network = keep_in_float(prepared(model), values)
    logits = run(model, values)
    assert network.step == pytest.approx((logits.max() - logits.min()) / 255)
    assert (network.quantization, network.calibration, network.table) == (None, None, None)


def test_a_step_is_never_zero() -> None:
    held = {"w": np.zeros((192, 10), np.float32)}
    model = build([node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "logits")], held)
    assert keep_in_float(prepared(model), random_inputs(4)).step > 0


def test_the_step_of_an_int8_network_comes_from_the_table() -> None:
    data = array_set(random_inputs(40, (3, 16, 16)), synthetic=False)
    request = request_for("model.onnx", "nowhere/model.edgeguard")
    network = quantize(request, QuantizationChoice(), prepared(random_network()), data, None, Heard())
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
    assert "torch" not in tool_versions("onnx", "onnx")
    assert {"torch", "onnxscript"} <= set(tool_versions("torchscript", "onnx"))
    assert {"onnx", "onnxruntime", "torch"}.isdisjoint(tool_versions("tflite", "tflite"))
    assert "ai-edge-litert" in tool_versions("state-dict", "tflite")


def test_a_batch_norm_that_follows_no_convolution_is_told_of() -> None:
    rng = np.random.default_rng(0)
    held = {name: rng.uniform(0.5, 2, 4).astype(np.float32) for name in ("gain", "shift", "mean", "variance")}
    held |= {
        "w": rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "dense": rng.normal(0, 0.1, (4, 10)).astype(np.float32),
    }
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Relu", ["c"], "r"),
        node("BatchNormalization", ["r", "gain", "shift", "mean", "variance"], "b"),
        node("GlobalAveragePool", ["b"], "p"),
        node("Flatten", ["p"], "f"),
        node("MatMul", ["f", "dense"], "logits"),
    ]
    model = run_passes(build(nodes, held), [Fold()])
    heard = Heard()
    data = array_set(random_inputs(8), synthetic=False)
    request = request_for("model.onnx", "nowhere/out.edgeguard")
    quantize(request, QuantizationChoice(), prepared(model), data, None, heard)
    assert [text for text in heard.warnings if "1 BatchNorm layers, 'n_b' the first" in text]
