"""Networks converted once a session, for a conversion takes ten seconds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from onnx import ModelProto

from edgeguard.calibration.collect import collect
from edgeguard.calibration.observers import Range, find_observer
from edgeguard.calibration.sets import DataSet, array_set
from edgeguard.export.head import cut_to_logits, find_head
from edgeguard.export.loading.to_onnx import module_to_onnx
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.flat_bias import FlatBias
from edgeguard.export.passes.fold import Fold
from edgeguard.export.passes.opset import Opset
from edgeguard.export.passes.quantize import probe, quantizable_tensors
from edgeguard.export.passes.strip import Strip
from edgeguard.export.tflite.convert import convert
from edgeguard.export.tflite.matching import Matched, match
from edgeguard.targets import find_target
from tests.export.graphs import Array, random_inputs
from tests.export.tflite.networks import branches
from tests.networks import SHAPE, Tiny


@dataclass(frozen=True)
class Both:
    """A network in both formats, and the table of the ONNX one."""

    module: torch.nn.Module
    onnx: ModelProto
    matched: Matched
    inputs: Array
    data: DataSet
    table: dict[str, Range]


@pytest.fixture(scope="session")
def converted_tiny(network: Tiny) -> bytes:
    """The tiny network as a float TFLite model."""
    return convert(network, SHAPE)


@pytest.fixture(scope="session")
def tiny_onnx(network: Tiny) -> ModelProto:
    """The same as an ONNX model, as every export prepares it."""
    return _onnx(network)


@pytest.fixture(scope="session")
def both() -> Both:
    """A network of many operators."""
    module = branches()
    model, inputs = _onnx(module), random_inputs(64, SHAPE)
    data, tensors = array_set(inputs, synthetic=False), quantizable_tensors(model)
    found = collect(probe(model, tensors), model.graph.input[0].name, tensors, data, find_observer("min-max"))
    matched = match(convert(module, SHAPE), model, inputs[:4], None)
    return Both(module, model, matched, inputs, data, found.ranges)


def _onnx(module: torch.nn.Module) -> ModelProto:
    passes = [Strip(), Opset(find_target("arm64")), Fold(), FlatBias()]
    model = run_passes(module_to_onnx(module, SHAPE)[0], passes)
    return cut_to_logits(model, find_head(model))
