"""The extremes of a network's tensors, found within its graph: nothing but two numbers a tensor and image comes out.

Copying every activation out of ONNX Runtime, to look for its smallest and largest number in numpy, takes as long as
computing them all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.calibration.data_set import DataSet
from edgeguard.errors import BadModel
from edgeguard.runtimes.first_line import first_line
from edgeguard.runtimes.ort_session import open_session

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
    progress: Callable[[int, int], None] | None,
) -> tuple[Array, Array] | None:
    """The smallest and the largest number of each tensor, float64 ``[tensors, halves]`` each; images are dealt to the
    halves in turn. ``None`` if a sum was not finite: then the tensors themselves have to be looked at.

    :param probe: a float model for any batch size that computes ``tensors``; its input may be among them.
    :raises BadModel: the model does not run.
    """
    # Spinning threads burn what idle ones would leave; for a second or two that is worth a third of it.
    session = open_session(_reducing(probe, tensors), threads=len(os.sched_getaffinity(0)), spinning=True)
    low, high = np.full((2, len(tensors), halves), [[[np.inf]], [[-np.inf]]])
    for index, batch in enumerate(data.batches(1)):
        try:
            found = np.array(session.run(None, {input_name: batch.inputs}), np.float64).reshape(3, len(tensors))
        except Exception as error:  # ONNX Runtime raises a dozen unrelated types
            raise BadModel(f"ONNX Runtime fails while calibrating: {first_line(error)}") from None
        if not np.isfinite(found).all():
            return None
        part = index % halves
        low[:, part] = np.minimum(low[:, part], found[0])
        high[:, part] = np.maximum(high[:, part], found[1])
        if progress is not None:
            progress(index + 1, len(data))
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
