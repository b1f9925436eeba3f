"""Defenses as ONNX graph nodes: :class:`edgeguard.defenses.ops.Ops` on the names of graph values."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgeguard.defenses.ops import Integer

__all__ = ["PREFIX", "OnnxOps"]

# Every node and value that a defense adds carries it, so that the tail can be told from the network.
PREFIX = "edgeguard/"


class OnnxOps:
    """Collects nodes and constants; one method call is one node, constants are shared.

    :param opset: of the graph that the nodes go into, 13 or later.
    """

    def __init__(self, opset: int) -> None:
        self._opset = opset
        self.nodes: list[NodeProto] = []
        self._constants: dict[tuple[bytes, str, tuple[int, ...]], TensorProto] = {}

    @property
    def initializers(self) -> list[TensorProto]:
        """The constants that the nodes use."""
        return list(self._constants.values())

    def dequantize(self, value: str, scale: float, zero_point: Integer) -> str:
        """``(value - zero_point) * scale`` as float."""
        return self._node("DequantizeLinear", value, self._constant(np.float32(scale)), self._constant(zero_point))

    def softmax(self, value: str) -> str:
        """Softmax over the last axis."""
        return self._node("Softmax", value, axis=-1)

    def add(self, left: str | float, right: str | float) -> str:
        """``left + right``."""
        return self._node("Add", left, right)

    def sub(self, left: str | float, right: str | float) -> str:
        """``left - right``."""
        return self._node("Sub", left, right)

    def mul(self, left: str | float, right: str | float) -> str:
        """``left * right``."""
        return self._node("Mul", left, right)

    def div(self, left: str | float, right: str | float) -> str:
        """``left / right``."""
        return self._node("Div", left, right)

    def clip(self, value: str, low: float, high: float) -> str:
        """``value`` limited to ``[low, high]``."""
        return self._node("Clip", value, low, high)

    def log(self, value: str) -> str:
        """Natural logarithm."""
        return self._node("Log", value)

    def tanh(self, value: str) -> str:
        """Hyperbolic tangent."""
        return self._node("Tanh", value)

    def sigmoid(self, value: str) -> str:
        """Logistic function."""
        return self._node("Sigmoid", value)

    def reduce_max(self, value: str) -> str:
        """Largest entry of each row."""
        if self._opset < 18:
            return self._node("ReduceMax", value, axes=[-1], keepdims=1)
        return self._node("ReduceMax", value, self._constant(np.array([-1], np.int64)), keepdims=1)

    def one_hot_top(self, value: str) -> str:
        """1 at the first of each row's largest entries, 0 elsewhere."""
        return self._node("Hardmax", value, axis=-1)

    def normalize(self, value: str) -> str:
        """Non-negative rows divided by their sums."""
        total = self._node("ReduceSum", value, self._constant(np.array([-1], np.int64)), keepdims=1)
        return self._node("Div", value, total)

    def rename(self, value: str, name: str) -> None:
        """Give the result of the last node the name of a graph output."""
        if not self.nodes or self.nodes[-1].output[0] != value:
            raise ValueError(f"{value} is not the newest value")
        self.nodes[-1].output[0] = name

    def _node(self, kind: str, *inputs: str | float, **attributes: int | list[int]) -> str:
        names = [value if isinstance(value, str) else self._constant(np.float32(value)) for value in inputs]
        name = f"{PREFIX}{len(self.nodes)}_{kind}"
        node = helper.make_node(kind, names, [name], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return name

    def _constant(self, value: np.ndarray[Any, Any] | np.generic) -> str:
        array = np.asarray(value)
        key = (array.tobytes(), array.dtype.str, array.shape)
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"{PREFIX}constant_{len(self._constants)}")
        return self._constants[key].name
