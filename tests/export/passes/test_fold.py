"""BatchNorm, constants and identities disappear; what the network computes and looks like from outside stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

from edgeguard.errors import BadModel, GuardFailed
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.fold import Fold, optimized
from tests.artifacts import random_network
from tests.export.graphs import Array, build, count, node, random_inputs, run


def with_batch_norm() -> ModelProto:
    rng = np.random.default_rng(5)
    constants: dict[str, Array] = {
        "w": rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "gain": rng.uniform(0.5, 2, 4).astype(np.float32),
        "shift": rng.normal(0, 1, 4).astype(np.float32),
        "mean": rng.normal(0, 1, 4).astype(np.float32),
        "variance": rng.uniform(0.2, 3, 4).astype(np.float32),
        "half": np.array([2.0], np.float32),
        "three": np.array([3.0], np.float32),
        "dense": rng.normal(0, 0.1, (144, 10)).astype(np.float32),
    }
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("BatchNormalization", ["c", "gain", "shift", "mean", "variance"], "b", epsilon=1e-3),
        node("Identity", ["b"], "i"),
        node("Add", ["half", "three"], "five"),
        node("Mul", ["i", "five"], "m"),
        node("Flatten", ["m"], "f"),
        node("MatMul", ["f", "dense"], "logits"),
    ]
    return build(nodes, constants)


def test_batch_norm_becomes_part_of_the_convolution() -> None:
    model = with_batch_norm()
    folded = run_passes(model, [Fold()])
    assert not {"BatchNormalization", "Identity", "Add"} & {each.op_type for each in folded.graph.node}
    assert folded.graph.node[0].op_type == "Conv"
    assert len(folded.graph.node[0].input) == 3
    values = random_inputs(5)
    assert np.abs(run(folded, values) - run(model, values)).max() < 1e-4


def test_the_folded_weights_are_the_hand_computed_ones() -> None:
    """w' = w * gain / sqrt(variance + eps), b' = shift - mean * gain / sqrt(variance + eps)."""
    model = with_batch_norm()
    del model.graph.node[4].input[1]
    model.graph.node[4].op_type = "Relu"
    del model.graph.node[3]
    held = {each.name: numpy_helper.to_array(each).astype(np.float64) for each in model.graph.initializer}
    factor = held["gain"] / np.sqrt(held["variance"] + 1e-3)
    folded = run_passes(model, [Fold()])
    weights = {each.name: numpy_helper.to_array(each) for each in folded.graph.initializer}
    convolution = next(each for each in folded.graph.node if "Conv" in each.op_type)
    assert np.abs(weights[convolution.input[1]] - held["w"] * factor[:, None, None, None]).max() < 1e-5
    assert np.abs(weights[convolution.input[2]] - (held["shift"] - held["mean"] * factor)).max() < 1e-5


def test_the_interface_and_versions_stay() -> None:
    model = with_batch_norm()
    model.ir_version = 8
    folded = Fold().run(model)
    for field in ("input", "output"):
        assert [each.name for each in getattr(folded.graph, field)] == [
            each.name for each in getattr(model.graph, field)
        ]
    assert (folded.ir_version, folded.opset_import[0].version) == (model.ir_version, 20)
    assert [entry.domain for entry in folded.opset_import] == [""]
    assert len(run(folded, random_inputs(1))) == 1
    assert len(run(folded, random_inputs(7))) == 7


def test_only_standard_operators_come_out_of_folding_and_others_out_of_the_full_optimization() -> None:
    """ConvRelu and the like are ONNX Runtime's own: right for looking at what runs, wrong for a file."""
    model = random_network()
    kinds = {each.op_type for each in optimized(model, extended=True).graph.node}
    assert "FusedConv" in kinds
    assert {each.domain for each in Fold().run(model).graph.node} == {""}


def foreign(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("FusedConv", ["x", "w"], ["y"], domain="com.microsoft"))


def renamed_output(model: ModelProto) -> None:
    model.graph.output[0].name = "other"


def renamed_input(model: ModelProto) -> None:
    model.graph.input[0].name = "other"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (foreign, "not standard: FusedConv"),
        (renamed_output, "changed the outputs from"),
        (renamed_input, "changed the inputs from"),
    ],
)
def test_its_guards(spoil: Any, said: str) -> None:
    before, after = with_batch_norm(), with_batch_norm()
    Fold().ensures(before, after)
    spoil(after)
    with pytest.raises(GuardFailed, match=said):
        Fold().ensures(before, after)


def test_what_onnx_runtime_refuses() -> None:
    model = random_network()
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(BadModel, match="ONNX Runtime refuses it"):
        optimized(model, extended=False)


def test_passes_run_in_order_with_their_guards() -> None:
    told: list[str] = []

    class Noting:
        def __init__(self, name: str) -> None:
            self.name = name

        def requires(self, model: ModelProto) -> None:
            told.append(f"{self.name} requires {model.producer_name}")

        def run(self, model: ModelProto) -> ModelProto:
            result = ModelProto()
            result.CopyFrom(model)
            result.producer_name += self.name
            return result

        def ensures(self, before: ModelProto, after: ModelProto) -> None:
            told.append(f"{self.name} ensures {before.producer_name}->{after.producer_name}")

    model = ModelProto()
    assert run_passes(model, [Noting("a"), Noting("b")]).producer_name == "ab"
    assert told == ["a requires ", "a ensures ->a", "b requires a", "b ensures a->ab"]
    assert not count(model, "Conv")
