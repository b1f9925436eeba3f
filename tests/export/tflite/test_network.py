"""The network of the main job in int8 TFLite, beside its ONNX twin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from onnx import ModelProto

from edgeguard.calibration.effort import EFFORTS, chosen
from edgeguard.calibration.sets import array_set
from edgeguard.errors import UsageError
from edgeguard.export.network import Network, in_integers
from edgeguard.export.prepare import Prepared
from edgeguard.export.request import QuantizationChoice
from edgeguard.export.tflite.graph import TfliteGraph
from edgeguard.export.tflite.network import quantized_tflite
from edgeguard.targets import find_target
from tests.export.graphs import prepared, random_inputs
from tests.export.requests import Heard, request_for
from tests.export.tflite.needs import needs_litert_torch
from tests.export.tflite.networks import halved
from tests.networks import SHAPE

pytestmark = needs_litert_torch

DATA = array_set(random_inputs(64, SHAPE), synthetic=False)
BALANCED = QuantizationChoice(effort=EFFORTS["balanced"])


def made(
    data: bytes,
    twin: ModelProto,
    choice: QuantizationChoice = BALANCED,
    target: str = "arm64",
    told: Heard | None = None,
) -> Network:
    request = replace(request_for(Path("model.pt"), Path("nowhere/model.edgeguard")), target=find_target(target))
    graph = TfliteGraph(data)
    exact = Prepared("logits", graph, graph.runner(1), 10)
    return quantized_tflite(request, choice, prepared(twin), exact, DATA, None, told or Heard())


def test_refinements_are_those_of_the_onnx_network(converted_tiny: bytes, tiny_onnx: ModelProto) -> None:
    told = Heard()
    found = made(converted_tiny, tiny_onnx, told=told)
    request = request_for(Path("model.pt"), Path("nowhere/model.edgeguard"))
    onnx = in_integers(request, BALANCED, prepared(tiny_onnx), DATA, None, Heard(), None)
    assert found.quantization is not None
    assert [each.name for each in onnx.refinements] == list(EFFORTS["balanced"].refinements)
    assert found.quantization.refinements == onnx.refinements
    assert not [text for text in told.warnings if "unrefined" in text]


def test_weights_have_eight_bits_for_every_target(converted_tiny: bytes, tiny_onnx: ModelProto) -> None:
    assert find_target("x86-64").reduce_range
    one, other = (made(converted_tiny, tiny_onnx, target=target) for target in ("arm64", "x86-64"))
    assert one.graph.to_bytes() == other.graph.to_bytes()


def test_what_scales_the_channels_of_the_twin_alone_is_refused(converted_tiny: bytes, tiny_onnx: ModelProto) -> None:
    choice = QuantizationChoice(effort=chosen("fast", ("equalize",)))
    with pytest.raises(UsageError, match=r"equalize scales the channels.*--format onnx"):
        made(converted_tiny, tiny_onnx, choice)


def test_layers_that_stay_unrefined_are_told_of(converted_tiny: bytes, tiny_onnx: ModelProto) -> None:
    told = Heard()
    made(converted_tiny, halved(tiny_onnx), told=told)
    assert [text for text in told.warnings if text.startswith("1 layers have no counterpart in the TFLite model")]
    told = Heard()
    made(converted_tiny, halved(tiny_onnx), QuantizationChoice(), told=told)
    assert not [text for text in told.warnings if "counterpart" in text]
