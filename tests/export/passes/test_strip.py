"""An artifact tells nothing about the machine it was made on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, helper

from edgeguard.errors import GuardFailed
from edgeguard.export.loading import LoadedModel
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.strip import Strip
from edgeguard.export.prepare import prepare
from edgeguard.targets import find_target
from tests.export.checks.models import quantized
from tests.export.graphs import build, node, random_inputs, run

SECRET = "/home/ada/secret/nets.py"


def annotated() -> ModelProto:
    """Notes wherever ONNX allows them, a subgraph included."""
    branch = helper.make_graph([node("Neg", ["f"], "y")], "b", [], [helper.make_tensor_value_info("y", 1, None)])
    branch.node[0].doc_string = SECRET
    nodes = [
        node("Flatten", ["x"], "f"),
        helper.make_node("If", ["yes"], ["g"], name="if", then_branch=branch, else_branch=branch),
        node("MatMul", ["g", "w"], "logits"),
    ]
    held = {"yes": np.array(True), "w": np.random.default_rng(0).normal(0, 0.1, (192, 10)).astype(np.float32)}
    model = build(nodes, held)
    model.graph.value_info.append(helper.make_tensor_value_info("g", 1, ["batch", 192]))
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.doc_string = SECRET
        part.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=f'File "{SECRET}", line 33')
    model.domain = model.producer_version = SECRET
    return model


def test_notes_go_and_the_network_stays() -> None:
    model = annotated()
    stripped = run_passes(model, [Strip()])
    assert SECRET.encode() in model.SerializeToString()
    assert SECRET.encode() not in stripped.SerializeToString()
    assert stripped.producer_name == "edgeguard"
    assert [each.name for each in stripped.graph.node] == [each.name for each in model.graph.node]
    assert np.array_equal(run(stripped, random_inputs(3)), run(model, random_inputs(3)))


def test_its_guards() -> None:
    model = annotated()
    with pytest.raises(GuardFailed, match="left notes"):
        Strip().ensures(model, model)
    fewer = Strip().run(model)
    del fewer.graph.node[-1]
    with pytest.raises(GuardFailed, match="changed the operators"):
        Strip().ensures(model, fewer)


def test_what_torch_writes_about_the_source_does_not_reach_the_artifact(loaded: Callable[[str], LoadedModel]) -> None:
    here = str(Path(__file__).parents[3]).encode()
    found = loaded("state.pt")
    assert here in found.model.SerializeToString()
    data = prepare(found, find_target("arm64")).graph.to_bytes()
    assert here not in data
    assert b"networks.py" not in data
    assert b"stack_trace" not in data


def test_the_quantizer_leaves_no_notes_either() -> None:
    model = quantized()
    assert not model.metadata_props
    assert model.producer_name == "edgeguard"
