"""The extremes of a network's tensors, found within its graph: nothing but two numbers a tensor and image comes out.

Copying every activation out of ONNX Runtime, to look for its smallest and largest number in numpy, takes as long as
computing them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.calibration.data_set import DataSet
from edgeguard.calibration.running import Progress, calibrating_session, report, run_calibrating

__all__ = ["extremes"]

Array = np.ndarray[Any, Any]

# The sum says whether there was a number that is not finite, which a minimum or maximum may lose.
_REDUCTIONS = ("ReduceMin", "ReduceMax", "ReduceSum")
_PREFIX = "edgeguard/extremes/"


def extremes(
    probe: Path | bytes,
    input_name: str,
    tensors: Sequence[str],
    data: DataSet,
    halves: int,
    progress: Progress | None,
) -> tuple[Array, Array] | None:
    """The smallest and the largest number of each tensor, float64 ``[tensors, halves]`` each; images are dealt to the
    halves in turn. ``None`` if a sum was not finite: then the tensors themselves have to be looked at.

    :param probe: a float model for any batch size that computes ``tensors``; its input may be among them.
    :raises BadModel: the model does not run.
    """
    # Spinning threads burn what idle ones would leave; for a second or two that is worth a third of it.
    session = calibrating_session(_reducing(probe, tensors), spinning=True)
    low, high = np.full((2, len(tensors), halves), [[[np.inf]], [[-np.inf]]])
    for index, batch in enumerate(data.batches(1)):
        values = run_calibrating(session, None, {input_name: batch.inputs})
        found = np.array(values, np.float64).reshape(len(_REDUCTIONS), len(tensors))
        if not np.isfinite(found).all():
            return None
        part = index % halves
        low[:, part] = np.minimum(low[:, part], found[0])
        high[:, part] = np.maximum(high[:, part], found[1])
        report(progress, index + 1, len(data))
    return low, high


def _reducing(probe: Path | bytes, tensors: Sequence[str]) -> bytes:
    """The model returning minima, maxima and sums of the tensors, and nothing else."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_from_string(probe) if isinstance(probe, bytes) else onnx.load(probe)
    graph = model.graph
    del graph.output[:]
    for kind in _REDUCTIONS:
        for index, tensor in enumerate(tensors):
            name = f"{_PREFIX}{kind}/{index}"
            # Without axes: all of them.
            graph.node.append(helper.make_node(kind, [tensor], [name], keepdims=0))
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, []))
    data: bytes = model.SerializeToString()
    return data
