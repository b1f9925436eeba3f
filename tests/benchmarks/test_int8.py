"""Figures that quantizers are compared by, and the one head that their files are given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from benchmarks.int8.figures import paired, sqnr
from benchmarks.int8.logits import ending_in_logits
from benchmarks.int8.registry import OURS, PEERS, REFERENCE_SETTINGS
from edgeguard.calibration.effort import EFFORTS


def test_a_tenth_of_the_amplitude_is_20_db() -> None:
    exact = np.random.default_rng(0).standard_normal((50, 10), np.float32)
    assert sqnr(exact, exact * np.float32(1.1)) == pytest.approx(20, abs=1e-4)
    assert sqnr(exact, exact) == math.inf


def test_pairs_that_agree_narrow_the_interval() -> None:
    """Of 1,000 images one network loses 20 and wins 10: -1 pp, of a deviation sqrt(0.03 - 0.01^2)."""
    right, reference = np.ones(1000, bool), np.ones(1000, bool)
    right[:20], reference[20:30] = False, False
    found = paired(right, reference)
    half = 100 * 1.959964 * math.sqrt((0.03 - 0.01**2) / 999)
    assert found.mean == pytest.approx(-1.0)
    assert (found.low, found.high) == pytest.approx((-1.0 - half, -1.0 + half), abs=1e-9)


def test_the_same_answers_differ_by_nothing() -> None:
    right = np.array([True, False, True])
    assert paired(right, right).low == paired(right, right).high == 0


@pytest.mark.parametrize("end", [(), ("Softmax",), ("QuantizeLinear", "DequantizeLinear")])
def test_whatever_follows_the_logits_is_taken_off(end: tuple[str, ...]) -> None:
    found = ending_in_logits(_network(end))
    assert [node.op_type for node in found.graph.node] == ["Relu"]
    assert found.graph.output[0].name in found.graph.node[0].output


def test_our_rows_are_our_efforts() -> None:
    ours = next(peer for peer in PEERS if peer.name == OURS)
    assert ours.settings == tuple(EFFORTS)
    assert REFERENCE_SETTINGS in ours.settings


def _network(end: tuple[str, ...]) -> ModelProto:
    nodes, name = [helper.make_node("Relu", ["input"], ["v0"])], "v0"
    for index, operator in enumerate(end, 1):
        constants = [] if operator == "Softmax" else ["scale", "zero"]
        nodes.append(helper.make_node(operator, [name, *constants], [f"v{index}"]))
        name = f"v{index}"
    ports = [helper.make_tensor_value_info(port, TensorProto.FLOAT, ["n", 4]) for port in ("input", name)]
    constants = [
        numpy_helper.from_array(np.float32(0.1), "scale"),
        numpy_helper.from_array(np.uint8(0), "zero"),
    ]
    graph = helper.make_graph(nodes, "network", ports[:1], ports[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
