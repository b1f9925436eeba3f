"""Attaching a defense: what it adds, what it hides, and names that are taken already."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, checker, helper

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.errors import BadModel
from edgeguard.export.found_head import ANSWER, LOGITS
from edgeguard.export.head import attach, cut_to_logits, expose_integer_logits, find_head
from edgeguard.export.onnx_ops import PREFIX
from edgeguard.export.passes.quantize import Quantize
from edgeguard.targets import find_target
from tests.artifacts import random_network
from tests.export.graphs import Array, build, count, measured_ranges, node, random_inputs, run

HEAD = Head("logits", 10)
# Softmax; in the order of reverse_sigmoid.py: clip, reciprocal, minus 1, log, scale, tanh; in that of dcp.py: scaled
# sum, sigmoid; times r; add; normalize.
DCP_NODES = 1 + 6 + 2 + 1 + 1 + 1


def network() -> ModelProto:
    model = random_network()
    return cut_to_logits(model, find_head(model))


def test_only_the_answer_can_be_read() -> None:
    model = attach(network(), HEAD, Defense(Dcp()))
    checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.output] == [ANSWER]
    assert LOGITS not in {value.name for value in (*model.graph.output, *model.graph.value_info)}


def test_a_defense_costs_its_nodes_and_no_more() -> None:
    before = network()
    for defense, added in ((None, 1), (Defense(Dcp()), DCP_NODES)):
        after = attach(before, HEAD, defense)
        assert len(after.graph.node) - len(before.graph.node) == added
        assert list(after.graph.node)[: len(before.graph.node)] == list(before.graph.node)
    tail = list(after.graph.node)[len(before.graph.node) :]
    assert all(each.name.startswith(PREFIX) for each in tail)


def test_the_tail_shares_its_constants() -> None:
    model = attach(network(), HEAD, Defense(Dcp()))
    ours = [tensor for tensor in model.graph.initializer if tensor.name.startswith(PREFIX)]
    assert len({tensor.SerializeToString() for tensor in ours}) == len(ours)


@pytest.mark.parametrize("opset", [13, 17, 18, 20])
def test_every_operator_set_that_a_target_may_end_up_with(opset: int) -> None:
    """ReduceMax takes its axes as an input only from set 18 on."""
    model = random_network()
    model.opset_import[0].version = opset
    cut = cut_to_logits(model, find_head(model))
    answer = attach(cut, HEAD, Defense(Dcp()))
    checker.check_model(answer, full_check=True)
    values = random_inputs(8, (3, 16, 16))
    assert np.abs(run(answer, values) - PostProcessor(HEAD, Defense(Dcp()))(run(cut, values))).max() < 1e-5


def renamed(model: ModelProto, old: str, new: str) -> ModelProto:
    for each in model.graph.node:
        for field in (each.input, each.output):
            field[:] = [new if name == old else name for name in field]
    for entry in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        if entry.name == old:
            entry.name = new
    return model


@pytest.mark.parametrize("name", [LOGITS, ANSWER, f"{PREFIX}0_Softmax", f"{PREFIX}constant_0", "edgeguard_flatten"])
@pytest.mark.parametrize("taken", ["x", "w", "hidden", "out", "node", "unused"])
@pytest.mark.parametrize("end", ["flat", "map"])
def test_names_of_ours_that_the_network_uses_already(name: str, taken: str, end: str) -> None:
    """Its input, weights, an inner value, its output, a node, and a constant that nobody uses."""
    weights = np.random.default_rng(2).normal(0, 0.1, (10, 3, 8, 8)).astype(np.float32)
    nodes = [node("Relu", ["x"], "hidden"), node("Conv", ["hidden", "w"], "out" if end == "map" else "c")]
    if end == "flat":
        nodes.append(node("Flatten", ["c"], "out"))
    shape = ("batch", 10) if end == "flat" else ("batch", 10, 1, 1)
    model = build(nodes, {"w": weights, "unused": np.zeros(1, np.float32)}, output="out", output_shape=shape)
    if taken == "node":
        model.graph.node[0].name = name
    renamed(model, taken, name)
    expected = run(model, random_inputs(6)).reshape(6, 10)
    cut = cut_to_logits(model, find_head(model))
    assert np.array_equal(run(cut, random_inputs(6)), expected)
    answers = attach(cut, HEAD, Defense(Dcp()))
    checker.check_model(answers, full_check=True)
    assert [value.name for value in answers.graph.output] == [ANSWER]
    assert np.abs(run(answers, random_inputs(6)) - PostProcessor(HEAD, Defense(Dcp()))(expected)).max() < 1e-5


def test_a_name_that_a_subgraph_uses_from_outside_is_renamed_there_too() -> None:
    branch = helper.make_graph(
        [node("Identity", [LOGITS], "y")], "branch", [], [helper.make_tensor_value_info("y", 1, ["batch", 192])]
    )
    nodes = [
        node("Flatten", ["x"], LOGITS),
        helper.make_node("If", ["yes"], ["picked"], name="if", then_branch=branch, else_branch=branch),
        node("MatMul", ["picked", "w"], "out"),
    ]
    weights: dict[str, Array] = {
        "yes": np.array(True),
        "w": np.random.default_rng(2).normal(0, 0.1, (192, 10)).astype(np.float32),
    }
    model = build(nodes, weights, output="out")
    expected = run(model, random_inputs(3))
    assert np.array_equal(run(cut_to_logits(model, find_head(model)), random_inputs(3)), expected)


@pytest.mark.parametrize("target", ["arm64", "x86-64"])
def test_integer_logits_and_their_scale_are_the_network(target: str) -> None:
    exact = network()
    values = random_inputs(64, (3, 16, 16))
    quantized = Quantize(find_target(target), measured_ranges(exact, values), head="int8").run(exact)
    model, head = expose_integer_logits(quantized)
    checker.check_model(model, full_check=True)
    raw = run(model, values)
    assert raw.dtype == np.uint8
    assert (head.kind, head.classes, head.dtype) == ("logits", 10, "uint8")
    assert head.scale is not None
    assert head.zero_point is not None
    floats = NumpyOps().dequantize(raw, head.scale, np.uint8(head.zero_point))
    assert np.array_equal(floats, run(quantized, values))
    assert count(model, "DequantizeLinear") == count(quantized, "DequantizeLinear") - 1


def test_float_logits_have_no_integers_to_expose() -> None:
    with pytest.raises(BadModel, match=r"no dequantized integer tensor.*--head int8"):
        expose_integer_logits(network())


def test_a_posterior_without_a_defense_is_passed_on() -> None:
    model = build([node("Softmax", ["x"], "given")], {}, shape=(10,), output="given")
    answers = attach(model, Head("posterior", 10), None)
    checker.check_model(answers, full_check=True)
    assert [value.name for value in answers.graph.output] == [ANSWER]
    assert np.array_equal(run(answers, random_inputs(3, (10,))), run(model, random_inputs(3, (10,))))


def test_a_tail_on_integer_logits_equals_the_host() -> None:
    """``edgeguard defend`` will meet networks that end in integers; the dequantization is the tail's first node."""
    exact = network()
    values = random_inputs(64, (3, 16, 16))
    quantized = Quantize(find_target("arm64"), measured_ranges(exact, values), head="int8").run(exact)
    integer, head = expose_integer_logits(quantized)
    answers = run(attach(integer, head, Defense(Dcp())), values)
    assert np.abs(answers - PostProcessor(head, Defense(Dcp()))(run(integer, values))).max() < 1e-4
