"""What of an export corresponds to ``quantize_static``: from a float ``.onnx`` to an int8 one, guards included.

The whole export beyond that tries the untrusted file in another process first, measures what int8 cost, chooses golden
inputs and packs an artifact.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

# Both load with plain ``quantize_static``'s own module, before it is timed; ours load them where they are needed.
import onnxruntime.quantization  # noqa: F401

from benchmarks.int8.job import Job
from benchmarks.int8.peers.ours import request_of, silent
from edgeguard.calibration.sets import array_set
from edgeguard.export.loading import LoadedModel
from edgeguard.export.network import quantize as quantized
from edgeguard.export.prepare import prepare

__all__ = ["quantize"]


def quantize(job: Job) -> None:
    """Settings: the effort."""
    request = request_of(job)
    assert request.quantization is not None
    model, images = onnx.load(job.model), np.load(job.calibration)
    prepared = prepare(LoadedModel(model, None, images.shape[1:], None, "", "onnx"), request.target)
    data = array_set(images, synthetic=False)
    network = quantized(request, request.quantization, prepared, data, None, silent())
    Path(job.output).write_bytes(network.graph.to_bytes())
