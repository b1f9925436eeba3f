"""The structure of what is exported, as text: whatever changes it shows up as a reviewable difference.

``EDGEGUARD_UPDATE=1 pytest tests/export/test_golden_graphs.py`` writes the files anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.export.head import attach
from edgeguard.export.onnx_ops import PREFIX
from tests.export.checks.models import quantized
from tests.export.graphs import build, node

GOLDEN = Path(__file__).parent / "golden"
UPDATE = bool(os.environ.get("EDGEGUARD_UPDATE"))


def bare() -> ModelProto:
    """A network that does nothing, so that only the tail is seen."""
    return build([node("Identity", ["x"], "logits")], {}, shape=(10,))


GRAPHS = {
    "dcp_tail.txt": lambda: attach(bare(), Head("logits", 10), Defense(Dcp())),
    "dcp_tail_uint8.txt": lambda: attach(integer(), Head("logits", 10, "uint8", 0.125, 100), Defense(Dcp())),
    "int8_dcp.txt": lambda: attach(quantized(), Head("logits", 10), Defense(Dcp())),
}


def integer() -> ModelProto:
    model = bare()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    return model


def rendered(model: ModelProto) -> str:
    """Versions, interface, nodes with attributes, constants with type and shape; values of the tail's constants only,
    for the others may differ in their last digits between numpy versions."""
    opsets = ", ".join(f"{entry.domain or 'onnx'} {entry.version}" for entry in model.opset_import)
    lines = [f"ir {model.ir_version}; opset {opsets}", *_interface(model.graph), ""]
    for each in model.graph.node:
        attributes = "".join(f" {each.name}={_text(each)}" for each in sorted(each.attribute, key=lambda a: a.name))
        lines.append(f"{', '.join(each.output)} = {each.op_type}({', '.join(each.input)}){attributes}")
    lines.append("")
    for tensor in sorted(model.graph.initializer, key=lambda each: each.name):
        kind = TensorProto.DataType.Name(tensor.data_type).lower()
        value = f" = {numpy_helper.to_array(tensor).tolist()}" if tensor.name.startswith(PREFIX) else ""
        lines.append(f"{tensor.name}: {kind} {list(tensor.dims)}{value}")
    return "\n".join(lines) + "\n"


def _interface(graph: GraphProto) -> list[str]:
    def described(value: ValueInfoProto) -> str:
        tensor = value.type.tensor_type
        dims = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
        return f"{value.name}: {TensorProto.DataType.Name(tensor.elem_type).lower()} {dims}"

    return [f"in {described(each)}" for each in graph.input] + [f"out {described(each)}" for each in graph.output]


def _text(attribute: AttributeProto) -> str:
    return str(helper.get_attribute_value(attribute))


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_the_exported_graph_has_the_recorded_structure(name: str) -> None:
    found = rendered(GRAPHS[name]())
    path = GOLDEN / name
    if UPDATE:
        path.write_text(found)
    assert found == path.read_text(), "if this is meant: EDGEGUARD_UPDATE=1 pytest tests/export/test_golden_graphs.py"


def test_the_text_shows_what_it_should() -> None:
    model = GRAPHS["int8_dcp.txt"]()
    text = rendered(model)
    for change in (
        lambda graph: graph.node.pop(),
        lambda graph: graph.node[0].input.reverse(),
        lambda graph: graph.node[1].attribute.add(name="extra", type=AttributeProto.INT, i=1),
        lambda graph: graph.initializer[0].dims.append(1),
        lambda graph: graph.output.append(graph.input[0]),
    ):
        changed = ModelProto()
        changed.CopyFrom(model)
        change(changed.graph)
        assert rendered(changed) != text
