"""NNCF's post-training quantization.

Recommended by its documentation for accuracy: the mixed preset and full instead of fast bias correction. Its ranges are
means over images by default; ``min-max`` takes the extremes instead, which its advanced parameters offer. Full bias
correction fails for some networks: ``min-max-fast`` is for them.
"""

from __future__ import annotations

import nncf
import numpy as np
import onnx
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

from benchmarks.int8.job import Job

__all__ = ["quantize"]


def quantize(job: Job) -> None:
    """Settings: ``default``, ``recommended``, and the latter with ``min-max`` ranges, and with fast bias correction."""
    images = np.load(job.calibration)
    data = nncf.Dataset(images, lambda image: {"input": image[None]})
    model = onnx.load(job.model)
    if job.settings == "default":
        quantized = nncf.quantize(model, data)
    else:
        ranges = RangeEstimatorParametersSet.MINMAX if job.settings.startswith("min-max") else None
        quantized = nncf.quantize(
            model,
            data,
            preset=nncf.QuantizationPreset.MIXED,
            fast_bias_correction=job.settings.endswith("-fast"),
            subset_size=len(images),
            advanced_parameters=AdvancedQuantizationParameters(activations_range_estimator_params=ranges),
        )
    onnx.save(quantized, job.output)
