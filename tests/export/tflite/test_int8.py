"""The way from a float model and a table to an int8 model, whole."""

from __future__ import annotations

import pytest

from edgeguard.calibration.observers import find_observer
from edgeguard.errors import UsageError
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize
from edgeguard.export.tflite.int8 import TfliteInt8, to_int8
from edgeguard.targets import find_target
from tests.export.tflite.conftest import Both
from tests.export.tflite.needs import needs_litert_torch

pytestmark = needs_litert_torch


def made(both: Both, *keep_float: str) -> TfliteInt8:
    nodes = {each.name for each in both.onnx.graph.node}
    kept = tuple(name for name in keep_float if name in nodes)
    quantized = run_passes(both.onnx, [Quantize(find_target("arm64"), both.table, kept)])
    observer = find_observer("min-max")
    return to_int8(
        both.matched.data, both.onnx, quantized, both.table, both.data, observer, batch=None, keep_float=keep_float
    )


def test_everything_runs_in_integers_on_the_tables_ranges(both: Both) -> None:
    found = made(both)
    assert found.integer_mac_share == 1
    assert (found.measured, found.left) == ((), ())
    assert len(found.data) < len(both.matched.data)


def test_nodes_named_by_the_onnx_model_stay_in_float(both: Both) -> None:
    node = next(node.name for node in both.onnx.graph.node if node.output[0] == "conv2d_3")
    assert 0 < made(both, node).integer_mac_share < 1
    with pytest.raises(UsageError, match="no node 'conv2d_3'"):
        made(both, "conv2d_3")
