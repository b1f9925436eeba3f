"""Brevitas, by the functions of its own ImageNet post-training example.

The example's defaults equalize the graph and correct biases. Recommended by its table of best configurations: one scale
a channel and GPTQ besides; activations asymmetric, as every other quantizer here has them.
"""

from __future__ import annotations

import numpy as np
import torch
from brevitas.export import export_onnx_qcdq
from brevitas.graph.quantize import preprocess_for_quantize
from brevitas_examples.imagenet_classification.ptq.ptq_common import (
    apply_act_equalization,
    apply_bias_correction,
    apply_gptq,
    calibrate,
    quantize_model,
)

from benchmarks.int8.job import Job

__all__ = ["quantize"]

_BATCH = 32
_PERCENTILE = 99.999
_OPSET = 13


def quantize(job: Job) -> None:
    """Settings: ``default``, ``recommended``."""
    if job.module is None:
        raise SystemExit("takes torch modules only")
    torch.manual_seed(job.seed)
    images = torch.from_numpy(np.load(job.calibration))
    # Each with a label that nobody reads.
    batches = [(images[start : start + _BATCH], None) for start in range(0, len(images), _BATCH)]
    recommended = job.settings == "recommended"
    module = torch.load(job.module, weights_only=False).eval()
    module = preprocess_for_quantize(module, equalize_iters=20, equalize_merge_bias=True, merge_bn=True)
    if recommended:
        apply_act_equalization(module, batches, layerwise=False)
    quantized = quantize_model(
        module,
        backend="fx",
        weight_bit_width=8,
        act_bit_width=8,
        bias_bit_width=32,
        weight_quant_granularity="per_channel" if recommended else "per_tensor",
        act_quant_percentile=_PERCENTILE,
        act_quant_type="asym" if recommended else "sym",
        scale_factor_type="float_scale",
        quant_format="int",
    )
    quantized.eval()
    with torch.no_grad():
        # Weights' scales are taken in the first run that is not a calibration.
        quantized(images[:2])
    calibrate(batches, quantized)
    if recommended:
        apply_gptq(batches, quantized, act_order=False, use_quant_activations=False, create_weight_orig=True)
    apply_bias_correction(batches, quantized)
    quantized.eval()
    with torch.no_grad():
        export_onnx_qcdq(
            quantized,
            images[:2],
            job.output,
            opset_version=_OPSET,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}},
            dynamo=False,
        )
