"""Clipping weights: an output whose largest weight stands far out is worth a finer scale that cuts that weight off.

The range with the least squared rounding error, by output channel (Banner et al., NeurIPS 2019, "Post-training 4-bit
quantization of convolution networks for rapid-deployment", section 2, searched instead of derived).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from onnx import ModelProto, numpy_helper

from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.layers import QuantizedLayer, integer_layers, limit_of
from edgeguard.export.refining.partial import Trial

__all__ = ["ClipWeights", "clipped"]

Array = np.ndarray[Any, Any]

_SHARES = tuple(np.arange(1.0, 0.39, -0.05))


@dataclass(frozen=True, slots=True)
class ClipWeights:
    """Limits the weights of each output to the range that rounds them best."""

    name: ClassVar[str] = "clip-weights"

    def refine(self, draft: Draft, trial: Trial) -> Draft:  # noqa: ARG002
        """The draft made of clipped weights."""
        layers = integer_layers(draft.network, draft.quantized)
        return draft.from_weights(_with_weights(draft.source, layers))


def clipped(weights: Array, levels: int) -> Array:
    """Weights within the range that rounds them best, ``[outputs, size]``.

    :param levels: the largest level, which the largest weight of each output gets.
    """
    top = np.abs(weights).max(axis=1, keepdims=True)
    best, least = weights, np.full(len(weights), np.inf)
    for share in _SHARES:
        limit = np.where(top > 0, top * share, 1.0)
        step = limit / levels
        cut = np.clip(weights, -limit, limit)
        error = np.square(np.rint(cut / step) * step - weights).sum(axis=1)
        better = error < least
        best, least = np.where(better[:, None], cut, best), np.where(better, error, least)
    return best


def _with_weights(source: ModelProto, layers: tuple[QuantizedLayer, ...]) -> ModelProto:
    result = ModelProto()
    result.CopyFrom(source)
    held = {tensor.name: tensor for tensor in result.graph.initializer}
    nodes = {node.name: node for node in result.graph.node}
    for layer in layers:
        constant = held[nodes[layer.name].input[1]]
        rows = clipped(layer.weight, limit_of(layer))
        weights = (rows if layer.axis == 0 else rows.T).reshape(constant.dims).astype(np.float32)
        constant.CopyFrom(numpy_helper.from_array(weights, constant.name))
    return result
