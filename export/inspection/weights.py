"""What rounding does to each layer's weights: no images are needed for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto

from edgeguard.export.fidelity import decibels
from edgeguard.export.inspection.facts import dequantized_weights
from edgeguard.export.inspection.histogram import Histogram, counted
from edgeguard.export.layers import layers_of

__all__ = ["WeightsSeen", "watch_weights"]


@dataclass(frozen=True, slots=True)
class WeightsSeen:
    """A layer's weights.

    :param compared: whether there were weights of the float network to compare with.
    :param sqnr_db: signal to noise ratio of the rounded weights; ``None`` where nothing differs, or was compared.
    :param values: before rounding, where the float network is there.
    """

    compared: bool
    sqnr_db: float | None
    values: Histogram


def watch_weights(exact: ModelProto | None, deployed: ModelProto) -> Mapping[str, WeightsSeen]:
    """By the name of the layer's node.

    :param exact: the float network, or ``None``.
    """
    known = {} if exact is None else {layer.name: layer for layer in layers_of(exact)}
    found = {}
    for layer in layers_of(deployed):
        held = dequantized_weights(deployed, layer).astype(np.float64)
        other = None
        if exact is not None and layer.name in known:
            other = dequantized_weights(exact, known[layer.name]).astype(np.float64)
        noise, compared = None, False
        # A converter may have laid them out otherwise.
        if other is not None and other.shape == held.shape:
            compared = True
            noise = decibels(float(np.square(other).sum()), float(np.square(held - other).sum()))
            held = other
        low, high = float(held.min()), float(held.max())
        counts = counted(held, low, high)
        found[layer.name] = WeightsSeen(compared, noise, Histogram(low, high, tuple(int(count) for count in counts)))
    return found
