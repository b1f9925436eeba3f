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
from edgeguard.errors import BadModel
from edgeguard.runtimes.blocks import filled_up

__all__ = ["extremes"]

Array = np.ndarray[Any, Any]

# The sum says whether there was a number that is not finite, which a minimum or maximum may lose.
_REDUCTIONS = ("ReduceMin", "ReduceMax", "ReduceSum")
_PREFIX = "edgeguard/extremes/"
# Inputs at once. Two threads have more to do with two than with one; activations of more take memory.
_BLOCK = 2


def extremes(
    probe: Path | bytes,
    input_name: str,
    tensors: Sequence[str],
    data: DataSet,
    halves: int,
    batch: int | None,
    progress: Progress | None,
) -> tuple[Array, Array] | None:
    """The smallest and the largest number of each tensor, float64 ``[tensors, halves]`` each; images are dealt to the
    halves in turn. ``None`` if the tensors themselves have to be looked at: a sum is not finite, a tensor does not have
    one row an image, or ONNX Runtime fails.

    :param probe: a float model that computes ``tensors``; its input may be among them.
    :param batch: the batch size the graph is fixed to, if it is.
    """
    try:
        # Spinning threads burn what idle ones would leave; for a second or two that is worth a third of it.
        session = calibrating_session(_reducing(probe, tensors), spinning=True)
        low, high = np.full((2, len(tensors), halves), [[[np.inf]], [[-np.inf]]])
        done = 0
        for each in data.batches(batch or _BLOCK):
            count = len(each.inputs)
            (found,) = run_calibrating(session, None, {input_name: filled_up(each.inputs, batch)})
            if not np.isfinite(found[:count]).all():
                return None
            for half in range(halves):
                # An image's place in the whole set decides.
                own = found[(half - done) % halves : count : halves].astype(np.float64)
                least, most, _ = np.split(own, len(_REDUCTIONS), axis=1)
                low[:, half] = np.minimum(low[:, half], least.min(axis=0, initial=np.inf))
                high[:, half] = np.maximum(high[:, half], most.max(axis=0, initial=-np.inf))
            done = report(progress, done + count, len(data))
    except BadModel:
        return None
    return low, high


def _reducing(probe: Path | bytes, tensors: Sequence[str]) -> bytes:
    """The model returning ``[batch, 3 * tensors]``: all minima of rows, all maxima, all sums."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(probe) if isinstance(probe, bytes) else onnx.load(probe)
    graph = model.graph
    del graph.output[:]
    axis, all_found = f"{_PREFIX}axis", f"{_PREFIX}all"
    rows = [f"{_PREFIX}rows/{index}" for index in range(len(tensors))]
    parts = {f"{kind}/{row}": (kind, row) for kind in _REDUCTIONS for row in rows}
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), axis))
    graph.node.extend(
        helper.make_node("Flatten", [tensor], [row], axis=1) for tensor, row in zip(tensors, rows, strict=True)
    )
    graph.node.extend(helper.make_node(kind, [row, axis], [name]) for name, (kind, row) in parts.items())
    graph.node.append(helper.make_node("Concat", list(parts), [all_found], axis=1))
    graph.output.append(helper.make_tensor_value_info(all_found, TensorProto.FLOAT, None))
    data: bytes = model.SerializeToString()
    return data
