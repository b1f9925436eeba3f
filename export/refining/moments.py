"""What a layer is given, in the float network and in the quantized one: means, and how windows vary together."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
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
    windows = layer.geometry.windows(torch.from_numpy(mean_input)[None])
    return np.asarray(windows.mean(dim=2).numpy())


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
    total = torch.zeros((groups, size, size), dtype=torch.float64)
    centre = torch.from_numpy(means.astype(np.float32))[:, :, None]
    count = 0
    for (inputs,) in trial.values(quantized, (layer.input,)):
        if count >= _WINDOWS:
            break
        for part in _parts(torch.from_numpy(inputs), size * groups):
            windows = layer.geometry.windows(part) - centre
            total += (windows @ windows.transpose(1, 2)).double()
            count += windows.shape[2]
    return np.asarray((total / max(count, 1)).numpy())


def _parts(inputs: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
    """Inputs in parts whose windows take no more than a bounded amount of memory, as long as one image does not."""
    positions = inputs[0, 0].numel() if inputs.ndim > 2 else 1
    parts: tuple[torch.Tensor, ...] = inputs.split(max(1, _HELD // max(1, size * positions)))
    return parts
