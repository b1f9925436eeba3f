"""Choosing the levels of weights otherwise than by rounding each to the nearest: what all methods share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.layers import QuantizedLayer, integer_layers, rewritten
from edgeguard.export.refining.moments import covariance_of, mean_inputs, mean_windows, outputs_of
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
    quantized = draft.quantized
    layers = integer_layers(draft.network, quantized)
    exact = mean_inputs(trial, draft.network, tuple(layer.source for layer in layers))
    for layer, mean in zip(layers, exact, strict=True):
        (given,) = mean_inputs(trial, quantized, (layer.input,))
        windows = mean_windows(layer, given)
        levels = layer.integers.levels
        if windows.shape[1] <= _LARGEST:
            levels = _with_largest(choose(layer, covariance_of(trial, quantized, layer, windows)), levels)
        wanted = layer.float_bias + outputs_of(layer, layer.weight, mean_windows(layer, mean))
        bias = wanted - outputs_of(layer, levels * layer.scale[:, None], windows)
        quantized = rewritten(quantized, [(layer, layer.holding(levels, bias))])
    return draft.holding(quantized)


def _with_largest(levels: Array, nearest: Array) -> Array:
    rows = np.arange(len(nearest))
    top = np.abs(nearest.astype(np.int64)).argmax(axis=1)
    levels[rows, top] = nearest[rows, top]
    return levels
