"""The operators that each defense says it has, counted in its graph."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from edgeguard.defenses.head import Head
from edgeguard.defenses.registry import DEFENSES, answers_from_table
from edgeguard.export.head import attach
from tests.defenses import fitted


@pytest.mark.parametrize("name", sorted(DEFENSES))
def test_the_stated_number_of_operators(name: str) -> None:
    integer = answers_from_table(name)
    head = Head("logits", 10, "uint8", 0.25, 108) if integer else Head("logits", 10)
    element = TensorProto.UINT8 if integer else TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Identity", ["raw"], ["logits"])],
        "pass-through",
        [helper.make_tensor_value_info("raw", element, ["batch", 10])],
        [helper.make_tensor_value_info("logits", element, ["batch", 10])],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    tail = attach(network, head, fitted.defense(name, head)).graph.node[1:]
    assert len(tail) == DEFENSES[name].operators
