"""Renaming values wherever they are produced, used, stored or described."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper

from edgeguard.export.names import rename_value, step_aside
from tests.export.graphs import build, node, random_inputs, run


def sparse() -> ModelProto:
    """A network whose weights are mostly zero and stored so."""
    model = build([node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "logits")], {})
    values = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.5, -2.0])
    where = helper.make_tensor("w_where", TensorProto.INT64, [2], [3, 77])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, where, [192, 10]))
    return model


def test_sparse_constants_are_renamed_too() -> None:
    model = sparse()
    expected = run(model, random_inputs(2))
    rename_value(model.graph, "w", "v")
    checker.check_model(model)
    assert np.array_equal(run(model, random_inputs(2)), expected)
    assert step_aside(model.graph, "v") == "network/v"
    assert np.array_equal(run(model, random_inputs(2)), expected)


def test_a_free_name_moves_nothing() -> None:
    model = sparse()
    assert step_aside(model.graph, "nowhere") == "nowhere"
    assert model == sparse()


def test_the_new_name_is_free_as_well() -> None:
    held = {"w": np.ones((192, 10), np.float32)}
    nodes = [
        node("Flatten", ["x"], "f"),
        node("Relu", ["f"], "network/f"),
        node("MatMul", ["network/f", "w"], "logits"),
    ]
    model = build(nodes, held)
    expected = run(model, random_inputs(2))
    assert step_aside(model.graph, "f") == "network/f_"
    checker.check_model(model, full_check=True)
    assert np.array_equal(run(model, random_inputs(2)), expected)


def test_a_node_of_that_name_moves_too() -> None:
    model = sparse()
    assert step_aside(model.graph, "n_f") == "network/n_f"
    assert [each.name for each in model.graph.node] == ["network/n_f", "n_logits"]
