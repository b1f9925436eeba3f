"""Choosing the levels of weights otherwise than by rounding each to the nearest: what all methods share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.export.refining.bias import layer_by_layer
from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.layers import QuantizedLayer
from edgeguard.export.refining.moments import covariance_of
from edgeguard.export.refining.partial import Trial

__all__ = ["refine_layers"]

Array = np.ndarray[Any, Any]
# Levels ``[outputs, size]`` for a layer whose windows have a covariance ``[groups, size, size]``.
Choose = Callable[[QuantizedLayer, Array], Array]

# A covariance of more inputs an output takes gigabytes; such a layer stays rounded to the nearest.
_LARGEST = 4608


def refine_layers(draft: Draft, trial: Trial, choose: Choose) -> Draft:
    """The draft with other levels, layer after layer, and with biases that keep each layer's mean output.

    The largest weight of each output stays at the largest level: whoever computes scales from weights finds the same.
    """

    def levels(layer: QuantizedLayer, quantized: ModelProto, windows: Array) -> Array:
        nearest = layer.integers.levels
        if windows.shape[1] > _LARGEST:
            return nearest
        return _with_largest(choose(layer, covariance_of(trial, quantized, layer, windows)), nearest)

    return layer_by_layer(draft, trial, levels)


def _with_largest(levels: Array, nearest: Array) -> Array:
    rows = np.arange(len(nearest))
    top = np.abs(nearest.astype(np.int64)).argmax(axis=1)
    levels[rows, top] = nearest[rows, top]
    return levels
