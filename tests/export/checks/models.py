"""A small network, and its int8 form with any of its layers left in float."""

from __future__ import annotations

import functools

from onnx import ModelProto

from edgeguard.calibration.observers import Range
from edgeguard.export.head import cut_to_logits, find_head
from edgeguard.export.passes.quantize import Quantize
from edgeguard.targets import find_target
from tests.artifacts import random_network
from tests.export.graphs import measured_ranges, random_inputs

__all__ = ["exact", "quantized"]


def exact() -> ModelProto:
    """Convolutions 3 -> 8 and 8 -> 16, both 3 x 3 with stride 2, on 16 x 16, and a dense layer 256 -> 10."""
    model = random_network()
    return cut_to_logits(model, find_head(model))


def quantized(*keep_float: str) -> ModelProto:
    """The same in int8, as the pass makes it, without its guards."""
    return Quantize(find_target("arm64"), _ranges(), keep_float=keep_float).run(exact())


@functools.cache
def _ranges() -> dict[str, Range]:
    return measured_ranges(exact(), random_inputs(64, (3, 16, 16)))
