"""From a loaded network to one that ends in logits."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from edgeguard.errors import BadModel, GuardFailed
from edgeguard.export.loading import LoadedModel
from edgeguard.export.onnx_graph import OnnxGraph
from edgeguard.export.passes.fold import Fold
from edgeguard.export.prepare import prepare
from edgeguard.targets import find_target
from tests.export.graphs import build, node, random_inputs, run

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
    prepared = prepare(loaded(model, (3, 8, 8)), TARGET)
    assert prepared.classes == 10
    assert isinstance(prepared.graph, OnnxGraph)
    assert [each.op_type for each in prepared.graph.model.graph.node] == ["Conv", "Flatten"]
    logits = run(prepared.graph.model, random_inputs(3))
    assert np.array_equal(prepared.logits(random_inputs(3)), logits)
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


@pytest.mark.parametrize("opset", [20, 22])
def test_a_pass_that_changes_the_answers_is_noticed(monkeypatch: pytest.MonkeyPatch, opset: int) -> None:
    """What a wrong adapter of the converter, or a wrong fold, would do."""
    held = {"w": np.random.default_rng(0).normal(0, 0.1, (192, 10)).astype(np.float32)}
    model = build([node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "logits")], held, opset=opset, ir_version=10)
    prepare(loaded(model, (3, 8, 8)), TARGET)

    def spoilt(self: Fold, given: ModelProto) -> ModelProto:
        result = ModelProto()
        result.CopyFrom(given)
        weights = numpy_helper.to_array(result.graph.initializer[0]) * np.float32(1.01)
        result.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "w"))
        return result

    monkeypatch.setattr(Fold, "run", spoilt)
    with pytest.raises(GuardFailed, match=r"changed its answers by up to .*onnxruntime#11576"):
        prepare(loaded(model, (3, 8, 8)), TARGET)
