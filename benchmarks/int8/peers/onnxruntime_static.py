"""ONNX Runtime's own static quantization, as its documentation has it.

Recommended there for x86 with VNNI and where accuracy matters: ``quant_pre_process`` first, U8S8, one scale a channel,
QDQ. Which calibration is best it leaves open: min-max is its default, percentile the best of the others here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.int8.job import Job

__all__ = ["quantize"]

Array = np.ndarray[Any, Any]
_METHODS = {"recommended": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """Calibration images, one at a time."""

    def __init__(self, images: Array) -> None:
        self._left = iter(images)

    def get_next(self) -> dict[str, Array] | None:
        image = next(self._left, None)
        return None if image is None else {"input": image[None]}


def quantize(job: Job) -> None:
    """Settings: ``default``, ``recommended``, and the latter with ``percentile`` ranges."""
    reader = Reader(np.load(job.calibration))
    if job.settings == "default":
        quantize_static(job.model, job.output, reader)
        return
    prepared = f"{job.output}.prepared.onnx"
    quant_pre_process(job.model, prepared)
    quantize_static(
        prepared,
        job.output,
        reader,
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        calibrate_method=_METHODS[job.settings],
    )
