"""Cross-layer equalization: a channel between two layers is scaled so that the weights on both of its sides are spread
alike, which a single scale for many channels rounds better. The network computes what it did.

Nagel et al., ICCV 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.1,
equation 11. It helps where many channels share a scale: activations always do, weights only without scales of their
own for each output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from edgeguard.errors import GuardFailed

__all__ = ["Equalize"]

Array = np.ndarray[Any, Any]

# Functions that a positive factor passes through.
_PASSED = frozenset({"Relu", "LeakyRelu"})
# Beyond this a channel is as good as dead, and its factor says nothing.
_MOST = 1e3
_ROUNDS = 20
_SETTLED = 1e-3


@dataclass(frozen=True, slots=True)
class Equalize:
    """Scales the channels between convolutions that follow each other directly."""

    name: ClassVar[str] = "equalize"

    def requires(self, model: ModelProto) -> None:
        """Nothing: a network without such pairs stays as it is."""

    def run(self, model: ModelProto) -> ModelProto:
        """The network with scaled channels."""
        result = ModelProto()
        result.CopyFrom(model)
        held = {tensor.name: tensor for tensor in result.graph.initializer}
        pairs = _pairs(result, held)
        # Pairs of a chain share layers, so that one changes what its neighbours were made for.
        for _ in range(_ROUNDS):
            if not pairs or max(_equalize(first, second, held) for first, second in pairs) < _SETTLED:
                break
        return result

    def ensures(self, before: ModelProto, after: ModelProto) -> None:
        """Finite weights, and the same nodes."""
        if [node.op_type for node in before.graph.node] != [node.op_type for node in after.graph.node]:
            raise GuardFailed("equalization changed the operators")
        for tensor in after.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.dtype == np.float32 and not np.isfinite(values).all():
                raise GuardFailed(
                    "holds numbers that are not finite after equalization", where=f"constant {tensor.name!r}"
                )


def _pairs(model: ModelProto, held: dict[str, TensorProto]) -> list[tuple[NodeProto, NodeProto]]:
    """Convolutions of which the second alone reads what the first writes, through functions that factors pass."""
    users: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    ends = {output.name for output in model.graph.output}
    pairs = []
    for first in model.graph.node:
        if not _scalable(first, held, users):
            continue
        value = first.output[0]
        while value not in ends and len(users.get(value, ())) == 1:
            (following,) = users[value]
            if following.op_type in _PASSED:
                value = following.output[0]
                continue
            if following.input[0] == value and _scalable(following, held, users):
                pairs.append((first, following))
            break
    return pairs


def _scalable(node: NodeProto, held: dict[str, TensorProto], users: dict[str, list[NodeProto]]) -> bool:
    """A convolution with constants of its own, over single channels or over all of them."""
    if node.op_type != "Conv" or not all(name in held and len(users[name]) == 1 for name in node.input[1:]):
        return False
    return _groups(node) == 1 or held[node.input[1]].dims[1] == 1


def _groups(node: NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


def _equalize(first: NodeProto, second: NodeProto, held: dict[str, TensorProto]) -> float:
    """Scale the channels between two layers, in place; the largest change, as a logarithm."""
    before, after = (numpy_helper.to_array(held[node.input[1]]) for node in (first, second))
    channels = len(before)
    single = _groups(second) != 1
    # A depthwise layer may give several outputs for each of its inputs.
    readers = after.reshape(channels, -1) if single else after.swapaxes(0, 1).reshape(channels, -1)
    spread = np.abs(before.reshape(channels, -1)).max(axis=1), np.abs(readers).max(axis=1)
    alive = (spread[0] > 0) & (spread[1] > 0)
    factors = np.ones(channels, np.float32)
    factors[alive] = np.clip(np.sqrt(spread[1][alive] / spread[0][alive]), 1 / _MOST, _MOST)
    _put(held[first.input[1]], before * factors.reshape(-1, *[1] * (before.ndim - 1)))
    if len(first.input) > 2:
        _put(held[first.input[2]], numpy_helper.to_array(held[first.input[2]]) * factors)
    shared = np.repeat(factors, len(after) // channels)[:, None] if single else factors[None]
    _put(held[second.input[1]], after / shared.reshape(*shared.shape, *[1] * (after.ndim - 2)))
    return float(np.abs(np.log(factors)).max())


def _put(tensor: TensorProto, values: Array) -> None:
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), tensor.name))
