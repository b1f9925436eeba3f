"""Bias correction: what quantization moves the mean of a layer's outputs by is taken off its bias.

Nagel et al., ICCV 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2.
Depthwise convolutions need it most: with few weights an output, rounding errors do not average out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from onnx import ModelProto

from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.layers import QuantizedLayer, integer_layers, rewritten
from edgeguard.export.refining.moments import mean_inputs, mean_windows, outputs_of
from edgeguard.export.refining.partial import Trial

__all__ = ["FastBias", "FullBias", "LevelsFor", "layer_by_layer"]

Array = np.ndarray[Any, Any]
# Levels ``[outputs, size]`` for a layer of the quantized network so far, given the mean of its windows there.
LevelsFor = Callable[[QuantizedLayer, ModelProto, Array], Array]

# Inputs whose means the fast correction takes: it is for those who want no time spent.
_FAST = 32


@dataclass(frozen=True, slots=True)
class FastBias:
    """For the error of rounded weights only: all layers at once, from means of the float network."""

    name: ClassVar[str] = "fast-bias"

    def refine(self, draft: Draft, trial: Trial) -> Draft:
        """The draft with other biases."""
        layers = integer_layers(draft.network, draft.quantized)
        sources = tuple(layer.source for layer in layers)
        means = mean_inputs(trial.of_at_most(_FAST), draft.network, sources)
        changes = []
        for layer, mean in zip(layers, means, strict=True):
            moved = outputs_of(layer, layer.weight - layer.rounded, mean_windows(layer, mean))
            changes.append((layer, layer.holding(layer.integers.levels, layer.float_bias + moved)))
        return draft.holding(rewritten(draft.quantized, changes))


@dataclass(frozen=True, slots=True)
class FullBias:
    """For every error so far: layer after layer, from what each is given in either network once those before it are
    corrected."""

    name: ClassVar[str] = "bias"

    def refine(self, draft: Draft, trial: Trial) -> Draft:
        """The draft with other biases."""
        return layer_by_layer(draft, trial, lambda layer, _, __: layer.integers.levels)


def layer_by_layer(draft: Draft, trial: Trial, levels_for: LevelsFor) -> Draft:
    """The draft with biases that keep each layer's mean output, layer after layer, and with the levels chosen there."""
    quantized = draft.quantized
    layers = integer_layers(draft.network, quantized)
    exact = mean_inputs(trial, draft.network, tuple(layer.source for layer in layers))
    for layer, mean in zip(layers, exact, strict=True):
        (given,) = mean_inputs(trial, quantized, (layer.input,))
        windows = mean_windows(layer, given)
        levels = levels_for(layer, quantized, windows)
        wanted = layer.float_bias + outputs_of(layer, layer.weight, mean_windows(layer, mean))
        bias = wanted - outputs_of(layer, levels * layer.scale[:, None], windows)
        quantized = rewritten(quantized, [(layer, layer.holding(levels, bias))])
    return draft.holding(quantized)
