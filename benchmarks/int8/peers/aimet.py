"""AIMET's ONNX quantizer.

Its guide recommends cross-layer equalization, then AdaRound with 10,000 iterations a layer, one scale a channel; its
white paper, ranges that maximise the signal-to-quantization-noise ratio. As many iterations take hours for ResNet-20 on
two cores (found: 18 minutes of one core for each of its first layers): here they are a twentieth.
"""

from __future__ import annotations

from pathlib import Path

import aimet_onnx
import numpy as np
import onnx
import torch
from aimet_onnx.cross_layer_equalization import equalize_model
from aimet_onnx.quantsim import QuantizationSimModel

from benchmarks.int8.job import Job

__all__ = ["quantize"]

_PER_CHANNEL = Path(aimet_onnx.__file__).parent / "common" / "quantsim_config" / "default_config_per_channel.json"
_BATCH = 32
_ITERATIONS = 500


def quantize(job: Job) -> None:
    """Settings: ``default``, ``sqnr`` (equalized, SQNR ranges), ``adaround`` (equalized, AdaRound)."""
    torch.manual_seed(job.seed)
    images = np.load(job.calibration)
    single = [{"input": image[None]} for image in images]
    model = onnx.load(job.model)
    if job.settings == "default":
        simulated = QuantizationSimModel(model, dummy_input=single[0])
    else:
        equalize_model(model)
        scheme = "tf_enhanced" if job.settings == "sqnr" else "min_max"
        simulated = QuantizationSimModel(
            model, dummy_input=single[0], quant_scheme=scheme, config_file=str(_PER_CHANNEL)
        )
    if job.settings == "adaround":
        batches = [{"input": images[start : start + _BATCH]} for start in range(0, len(images), _BATCH)]
        aimet_onnx.apply_adaround(simulated, batches, num_iterations=_ITERATIONS)
    simulated.compute_encodings(single)
    onnx.save(simulated.to_onnx_qdq(), job.output)
