"""From a float TFLite model and ranges to an int8 one, by ai-edge-quantizer.

Ranges and the list of operators are ours; ai-edge-quantizer's own calibration, a moving average, is never run (it
leaves 18 dB where ranges that hold all values leave 44). Weights are int8 per channel, whatever the target: LiteRT's
kernels never saturate, so none needs 7 bits.

TFLite's FULLY_CONNECTED gives int8 for int8: logits are always rounded to the 256 steps of their range in the table,
and a float head dequantizes them. In the ONNX file a float head leaves the accumulators as they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeguard.calibration.observers import Range
from edgeguard.defenses.head import Grid
from edgeguard.errors import GuardFailed
from edgeguard.export.grids import grid_of
from edgeguard.export.quiet import quiet_below
from edgeguard.export.tflite.checks import check_grids, check_really_int8
from edgeguard.export.tflite.flatbuffer import name_of, pack
from edgeguard.export.tflite.matching import Matched
from edgeguard.export.tflite.operators import OPERATORS, quantizable_activations
from edgeguard.extras import require
from edgeguard.runtimes.first_line import first_line

__all__ = ["quantize_tflite"]

_LOWEST = -128
# What ai-edge-quantizer appends to the name of a tensor that it makes float again.
_DEQUANTIZED = b"_dequant"


def quantize_tflite(
    matched: Matched,
    ranges: Mapping[str, Range],
    *,
    kept: Collection[str] = (),
    head: Literal["float", "int8"] = "float",
    input_dtype: Literal["float32", "int8"] = "float32",
) -> bytes:
    """The int8 model; the same model and ranges give the same bytes.

    :param matched: ends in float logits.
    :param ranges: of its tensors, from :func:`~edgeguard.export.tflite.ranges.ranges_for`.
    :param kept: tensors whose operators stay in float, from :func:`~edgeguard.export.tflite.matching.kept_tensors`.
    :param head: whether the logits come as float or as int8.
    :param input_dtype: what the model takes; int8 inputs are on the grid of the input's range.
    :raises BadModel: nothing can be quantized.
    :raises GuardFailed: a tensor has no range, or the result is not what was asked for.
    """
    for name in quantizable_activations(matched.data, kept):
        if name not in ranges:
            raise GuardFailed(
                "has no calibrated range (onnxruntime#11928)", where=f"tensor {name!r}", fix="Calibrate again"
            )
    grids = {name: grid_of(limits) for name, limits in ranges.items()}
    result = _quantized(matched.data, grids, _recipe(kept, head, input_dtype))
    check_really_int8(matched.data, result, kept)
    check_grids(result, grids)
    return result


def _recipe(kept: Collection[str], head: str, input_dtype: str) -> Any:
    """What ai-edge-quantizer shall quantize; what nothing names stays in float."""
    manager = require("ai_edge_quantizer.recipe_manager", "tflite").RecipeManager()
    kinds = require("ai_edge_quantizer.qtyping", "tflite").TFLOperationName
    wanted = [name_of(kind) for kind in sorted(OPERATORS)]
    if input_dtype == "int8":
        wanted.append("INPUT")
    if head == "int8":
        wanted.append("OUTPUT")
    for name in wanted:
        manager.add_static_config(".*", kinds(name), activation_num_bits=8, weight_num_bits=8)
    for name in kept:
        # An operator's scope is the names of its outputs, each followed by a semicolon.
        manager.add_quantization_config(f"(^|;){re.escape(name)};", kinds.ALL_SUPPORTED, algorithm_key="no_quantize")
    return manager.get_quantization_recipe()


def _quantized(data: bytes, grids: Mapping[str, Grid], recipe: Any) -> bytes:
    quantizer = require("ai_edge_quantizer.quantizer", "tflite")
    ends = {}
    for name, grid in grids.items():
        # Not the range itself: from these ends, the quantizer computes exactly the grid.
        low, high = ((step - grid.zero) * grid.scale for step in (_LOWEST, _LOWEST + 255))
        ends[name] = {"min": np.array(low), "max": np.array(high)}
    try:
        with quiet_below():
            working = quantizer.Quantizer(bytearray(data), recipe)
            result = working.quantize(ends, enable_progress_bar=False, enable_progress_report=False)
    except Exception as error:  # the quantizer raises a dozen unrelated types
        raise GuardFailed(
            f"ai-edge-quantizer cannot quantize it: {type(error).__name__}: {first_line(error)}",
            fix="Find the operator with --keep-float, or export without TFLite (--format onnx)",
        ) from None
    return _finished(bytes(result.quantized_model))


def _finished(data: bytes) -> bytes:
    """The quantizer's file with its output called as it was, and its constants inside of the flatbuffer: older runtimes
    do not find them behind it."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    graph = model.subgraphs[0]
    names = {tensor.name: tensor for tensor in graph.tensors}
    for index in graph.outputs:
        output = graph.tensors[index]
        wanted = output.name.removesuffix(_DEQUANTIZED)
        if wanted != output.name and wanted in names:
            names[wanted].name = wanted + b"_int8"
            output.name = wanted
    return pack(model)
