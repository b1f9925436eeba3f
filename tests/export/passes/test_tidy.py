"""Nodes in an order that the ONNX standard allows, and only those that somebody needs."""

from __future__ import annotations

import random

import numpy as np
import pytest
from onnx import ModelProto, checker, helper

from edgeguard.export.passes.tidy import remove_dead_nodes, sort_nodes
from tests.artifacts import random_network
from tests.export.graphs import build, node, random_inputs, run


@pytest.mark.parametrize("seed", range(5))
def test_any_order_becomes_a_valid_one(seed: int) -> None:
    model = random_network()
    expected = run(model, random_inputs(2, (3, 16, 16)))
    nodes = list(model.graph.node)
    random.Random(seed).shuffle(nodes)
    shuffled = ModelProto()
    shuffled.CopyFrom(model)
    del shuffled.graph.node[:]
    shuffled.graph.node.extend(nodes)
    if nodes != list(model.graph.node):
        with pytest.raises(checker.ValidationError, match="topologically"):
            checker.check_model(shuffled)
    sort_nodes(shuffled.graph)
    checker.check_model(shuffled, full_check=True)
    assert (run(shuffled, random_inputs(2, (3, 16, 16))) == expected).all()


def test_a_valid_order_is_kept() -> None:
    model = random_network()
    sort_nodes(model.graph)
    assert model == random_network()


def test_what_a_subgraph_uses_comes_before_it() -> None:
    branch = helper.make_graph([node("Neg", ["r"], "y")], "b", [], [helper.make_tensor_value_info("y", 1, None)])
    nodes = [
        helper.make_node("If", ["yes"], ["logits"], name="if", then_branch=branch, else_branch=branch),
        node("Relu", ["x"], "r"),
    ]
    model = build(nodes, {"yes": np.array(True)}, output_shape=("batch", 3, 8, 8))
    sort_nodes(model.graph)
    assert [each.op_type for each in model.graph.node] == ["Relu", "If"]
    checker.check_model(model)


def test_a_graph_that_is_no_graph_ends() -> None:
    model = build([node("Add", ["x", "b"], "a"), node("Relu", ["a"], "b")], {}, output="b")
    sort_nodes(model.graph)
    assert sorted(each.op_type for each in model.graph.node) == ["Add", "Relu"]


def test_what_nobody_needs_goes() -> None:
    """Nodes, constants and shape notes; not what only a subgraph uses."""
    branch = helper.make_graph([node("Add", ["r", "c"], "y")], "b", [], [helper.make_tensor_value_info("y", 1, None)])
    nodes = [
        node("Relu", ["x"], "r"),
        node("Neg", ["r"], "unused"),
        node("Mul", ["unused", "d"], "useless"),
        helper.make_node("If", ["yes"], ["logits"], name="if", then_branch=branch, else_branch=branch),
    ]
    held = {"yes": np.array(True), "c": np.ones(1, np.float32), "d": np.ones(1, np.float32)}
    model = build(nodes, held, output_shape=("batch", 3, 8, 8))
    model.graph.value_info.extend(helper.make_tensor_value_info(name, 1, None) for name in ("r", "unused"))
    expected = run(model, random_inputs(2))
    remove_dead_nodes(model)
    assert [each.op_type for each in model.graph.node] == ["Relu", "If"]
    assert {each.name for each in model.graph.initializer} == {"yes", "c"}
    assert [each.name for each in model.graph.value_info] == ["r"]
    assert (run(model, random_inputs(2)) == expected).all()
