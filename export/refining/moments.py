"""What a layer is given, in the float network and in the quantized one: means, and how windows vary together."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.export.refining.layers import QuantizedLayer
from edgeguard.export.refining.partial import Trial

__all__ = ["covariance_of", "mean_inputs", "mean_windows", "outputs_of"]

Array = np.ndarray[Any, Any]

# Numbers held at once while windows are cut out of inputs.
_HELD = 1 << 22
# Windows that a covariance is made of: those of one image are much alike, and a layer has a few hundred weights.
_WINDOWS = 1 << 15


def mean_inputs(trial: Trial, network: ModelProto, names: tuple[str, ...]) -> tuple[Array, ...]:
    """The mean over a set of each value, float64 and of its shape without the batch."""
    if not names:
        return ()
    totals: list[Any] = [0.0] * len(names)
    count = 0
    for values in trial.values(network, names):
        totals = [total + value.sum(axis=0, dtype=np.float64) for total, value in zip(totals, values, strict=True)]
        count += len(values[0])
    return tuple(np.asarray(total / count) for total in totals)


def mean_windows(layer: QuantizedLayer, mean_input: Array) -> Array:
    """The mean of the windows that a layer sees, float64 ``[groups, size]``; borders are as they are padded."""
    return layer.geometry.mean_window(mean_input[None])


def outputs_of(layer: QuantizedLayer, weight: Array, windows: Array) -> Array:
    """What weights ``[outputs, size]`` make of mean windows, without bias, float64 ``[outputs]``."""
    groups = layer.geometry.groups
    parts = weight.reshape(groups, -1, weight.shape[1])
    return np.asarray(np.einsum("gos,gs->go", parts, windows).reshape(-1))


def covariance_of(trial: Trial, quantized: ModelProto, layer: QuantizedLayer, means: Array) -> Array:
    """How the windows of a layer's input vary together in the quantized network, float64 ``[groups, size, size]``.

    :param means: of its windows there, ``[groups, size]``.
    """
    groups, size = means.shape
    total = np.zeros((groups, size, size))
    centre = means.astype(np.float32)[:, :, None]
    count = 0
    for (inputs,) in trial.values(quantized, (layer.input,)):
        if count >= _WINDOWS:
            break
        for part in _parts(inputs, size * groups):
            windows = layer.geometry.windows(part) - centre
            total += windows @ windows.transpose(0, 2, 1)
            count += windows.shape[2]
    return total / max(count, 1)


def _parts(inputs: Array, size: int) -> list[Array]:
    """Inputs in parts whose windows take no more than a bounded amount of memory, as long as one image does not."""
    positions = inputs[0, 0].size if inputs.ndim > 2 else 1
    at_once = max(1, _HELD // max(1, size * positions))
    return [inputs[start : start + at_once] for start in range(0, len(inputs), at_once)]
