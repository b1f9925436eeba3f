"""Finding the ONNX value that a TFLite tensor is."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto

from edgeguard.errors import UsageError
from edgeguard.export.tflite.convert import laid_out
from edgeguard.export.tflite.flatbuffer import unpack
from edgeguard.export.tflite.matching import activations, kept_tensors, match
from edgeguard.runtimes.litert_session import open_litert
from tests.export.graphs import random_inputs
from tests.export.tflite.conftest import Both
from tests.export.tflite.needs import needs_litert_torch
from tests.networks import SHAPE

pytestmark = needs_litert_torch


def test_every_tensor_but_a_padded_copy_is_found_and_bears_the_values_name(both: Both) -> None:
    strangers = [name for name, values in both.matched.values.items() if not values]
    assert strangers == ["tflite"]
    graph = unpack(both.matched.data).subgraphs[0]
    padded = next(each for each in graph.operators if graph.tensors[each.outputs[0]].name == b"tflite")
    assert graph.tensors[padded.inputs[0]].name == b"cat"
    for name, values in both.matched.values.items():
        if values:
            assert name.partition(":")[0] == values[0]
    assert both.matched.values["logits"] == ("logits",)
    assert both.matched.values["sigmoid"] == ("sigmoid", "unsqueeze_1")


def test_names_are_unique_and_say_what_constants_are_for(both: Both) -> None:
    graph = unpack(both.matched.data).subgraphs[0]
    names = [tensor.name.decode() for tensor in graph.tensors]
    assert len(set(names)) == len(names)
    assert {"relu/constant", "logits/constant", "logits/constant:2"} <= set(names)
    assert not [name for name in names if "torch" in name]


def test_names_change_no_answer(converted_tiny: bytes, tiny_onnx: ModelProto) -> None:
    inputs = random_inputs(4, SHAPE)
    matched = match(converted_tiny, tiny_onnx, inputs, None)
    before, after = (open_litert(data).run(laid_out(inputs)) for data in (converted_tiny, matched.data))
    np.testing.assert_array_equal(before, after)
    assert match(converted_tiny, tiny_onnx, inputs, None) == matched


def test_another_networks_values_are_not_taken(converted_tiny: bytes, both: Both) -> None:
    matched = match(converted_tiny, both.onnx, random_inputs(2, SHAPE), None)
    assert [values for values in matched.values.values() if values] == [("input",)]


def test_a_tensor_that_held_one_number_only_matches_nothing(converted_tiny: bytes, tiny_onnx: ModelProto) -> None:
    matched = match(converted_tiny, tiny_onnx, np.zeros((2, *SHAPE), np.float32), None)
    first = next(iter(matched.values.values()))
    assert first == ()
    assert any(matched.values.values())


def test_activations_are_no_constants(both: Both) -> None:
    graph = unpack(both.matched.data).subgraphs[0]
    found = activations(both.matched.data)
    assert found[0] == graph.inputs[0]
    assert not [index for index in found if b"constant" in graph.tensors[index].name]
    assert {int(each.outputs[0]) for each in graph.operators} <= set(found)


def test_a_node_is_found_as_the_operator_that_it_was_fused_into(both: Both) -> None:
    nodes = {node.output[0]: node.name for node in both.onnx.graph.node}
    convolution = next(node for node in both.onnx.graph.node if node.op_type == "Conv" and "relu" not in node.output[0])
    assert kept_tensors(both.matched, both.onnx, (convolution.name,)) == ("relu",)
    assert kept_tensors(both.matched, both.onnx, (nodes["conv2d_3"], nodes["mean"])) == ("conv2d_3", "mean")


def test_what_has_no_counterpart_is_named(both: Both) -> None:
    with pytest.raises(UsageError, match="no node 'nowhere'"):
        kept_tensors(both.matched, both.onnx, ("nowhere",))
    node = next(node for node in both.onnx.graph.node if node.output[0] == "cat")
    poorer = type(both.matched)(both.matched.data, {"relu": ("relu",)})
    with pytest.raises(UsageError, match=f"{node.name}.*no counterpart"):
        kept_tensors(poorer, both.onnx, (node.name,))
