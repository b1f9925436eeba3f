"""AMD Quark's ONNX quantizer.

Its guide names A8W8 for CPUs, CLE where accuracy drops, and AdaRound where that is not enough. ``per-channel`` is the
closest that it comes to what ONNX Runtime recommends: unsigned activations in min-max ranges, a scale for each channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader
from quark.onnx import ModelQuantizer
from quark.onnx.quantization.config.algorithm import AdaRoundConfig, AlgoConfig, BiasCorrectionConfig, CLEConfig
from quark.onnx.quantization.config.config import QConfig
from quark.onnx.quantization.config.custom_config import A8W8_QCONFIG
from quark.onnx.quantization.config.spec import CalibMethod, Int8Spec, QLayerConfig, QuantGranularity, UInt8Spec

from benchmarks.int8.job import Job

__all__ = ["quantize"]

Array = np.ndarray[Any, Any]


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Calibration images, one at a time, as often as Quark wants them."""

    def __init__(self, images: Array) -> None:
        self._images = images
        self.reset_iter()

    def reset_iter(self) -> None:
        self._left = iter(self._images)

    def get_next(self) -> dict[str, Array] | None:
        image = next(self._left, None)
        return None if image is None else {"input": image[None]}


def quantize(job: Job) -> None:
    """Settings: ``default`` (A8W8), ``recommended`` (with CLE and AdaRound), ``per-channel`` (with CLE and bias
    correction), ``per-channel-adaround`` (with CLE and AdaRound)."""
    torch.manual_seed(job.seed)
    images = np.load(job.calibration)
    config = _per_channel() if job.settings.startswith("per-channel") else A8W8_QCONFIG
    adaround = AdaRoundConfig(fixed_seed=job.seed, data_size=len(images), batch_size=2, early_stop=True)
    algorithms: dict[str, list[AlgoConfig]] = {
        "default": [],
        "recommended": [CLEConfig(), adaround],
        "per-channel": [CLEConfig(), BiasCorrectionConfig()],
        "per-channel-adaround": [CLEConfig(), adaround],
    }
    config.algo_config = algorithms[job.settings]
    ModelQuantizer(config).quantize_model(job.model, job.output, _Reader(images))


def _per_channel() -> QConfig:
    extremes = CalibMethod.MinMax
    return QConfig(
        global_config=QLayerConfig(
            activation=UInt8Spec(symmetric=False, calibration_method=extremes),
            weight=Int8Spec(quant_granularity=QuantGranularity.Channel, calibration_method=extremes),
        ),
        extra_options={},
    )
