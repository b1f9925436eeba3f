"""From a float TFLite model and the calibration table of the ONNX model of the same network to an int8 one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from onnx import ModelProto

from edgeguard.calibration.observers import Observer, Range
from edgeguard.calibration.running import Progress
from edgeguard.calibration.sets import DataSet
from edgeguard.export.tflite.checks import tflite_integer_share
from edgeguard.export.tflite.matching import kept_tensors, match
from edgeguard.export.tflite.quantize import quantize_tflite
from edgeguard.export.tflite.ranges import ranges_for
from edgeguard.export.tflite.refined import refined_like

__all__ = ["TfliteInt8", "to_int8"]

# Inputs that tensors are matched on: enough that no two differ by chance alone.
_MATCHED_ON = 8


@dataclass(frozen=True, slots=True)
class TfliteInt8:
    """An int8 TFLite model.

    :param data: its file's content.
    :param measured: the tensors that the table did not know, whose ranges were measured on the TFLite model.
    :param left: the ONNX nodes of ``quantized`` whose integers no operator of this model has.
    :param integer_mac_share: share of the multiply-accumulates that run in integer kernels.
    """

    data: bytes
    measured: tuple[str, ...]
    left: tuple[str, ...]
    integer_mac_share: float


def to_int8(
    data: bytes,
    model: ModelProto,
    quantized: ModelProto,
    table: Mapping[str, Range],
    images: DataSet,
    observer: Observer,
    *,
    batch: int | None,
    keep_float: tuple[str, ...] = (),
    head: Literal["float", "int8"] = "float",
    input_dtype: Literal["float32", "int8"] = "float32",
    progress: Progress | None = None,
) -> TfliteInt8:
    """Quantize a float TFLite model that edgeguard converted, to the integers of the ONNX model of the same network.

    :param data: ends in float logits.
    :param model: the float ONNX model that the table was made from, which ends in the same logits.
    :param quantized: the int8 ONNX model made from it, on the ranges of ``table``, with 8 bits a weight.
    :param images: the set that the table was made from.
    :param batch: the batch size that the ONNX graph is fixed to, if it is.
    :param keep_float: names of ONNX nodes whose operators stay in float.
    :param head: whether the logits come as float or as int8; see :mod:`edgeguard.export.tflite.quantize`.
    :param input_dtype: what the model takes.
    :raises UsageError: ``keep_float`` names what is not there.
    :raises RejectedInput: the model cannot be quantized, or a guard refuses the result.
    """
    matched = match(data, model, next(iter(images.batches(_MATCHED_ON))).inputs, batch)
    kept = kept_tensors(matched, model, keep_float)
    refined = refined_like(matched, model, quantized)
    matched = refined.matched
    found = ranges_for(matched, table, images, observer, kept=kept, progress=progress)
    result = quantize_tflite(matched, found.ranges, kept=kept, head=head, input_dtype=input_dtype)
    return TfliteInt8(result, found.measured, refined.left, tflite_integer_share(result))
