"""Defenses as ONNX graph nodes: :class:`edgeguard.defenses.ops.Ops` on the names of graph values."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgeguard.defenses.ops import Integer

__all__ = ["PREFIX", "OnnxOps"]

Array = np.ndarray[Any, Any]

# Every node and value that a defense adds carries it, so that the tail can be told from the network.
PREFIX = "edgeguard/"

# Up to this many classes a node costs more than what it computes. ONNX Runtime fuses an activation into the matrix
# product before it, never into a multiplication, so that a product with a diagonal matrix is cheaper.
_FEW = 32
_FEW_ROWS = 128


class OnnxOps:
    """Collects nodes and constants; one method call is one node, constants are shared.

    :param opset: of the graph that the nodes go into, 13 or later.
    :param classes: how many entries a row has; few of them allow for cheaper nodes.
    """

    def __init__(self, opset: int, classes: int | None = None) -> None:
        self._opset = opset
        self._unit = np.eye(classes, dtype=np.float32) if classes and classes <= _FEW else None
        self.nodes: list[NodeProto] = []
        self._constants: dict[tuple[bytes, str, tuple[int, ...]], TensorProto] = {}

    @property
    def initializers(self) -> list[TensorProto]:
        """The constants that the nodes use."""
        return list(self._constants.values())

    def dequantize(self, value: str, scale: float, zero_point: Integer) -> str:
        """``(value - zero_point) * scale`` as float."""
        return self._node("DequantizeLinear", value, self._constant(np.float32(scale)), self._constant(zero_point))

    def quantize(self, value: str, scale: float, zero_point: np.int8) -> str:
        """``round(value / scale) + zero_point``, half to even, limited to int8."""
        return self._node("QuantizeLinear", value, self._constant(np.float32(scale)), self._constant(zero_point))

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

    def add_scaled(self, left: str, right: str, scale: float) -> str:
        """``left + scale * right``."""
        if self._unit is None:
            return self.add(left, self.mul(right, scale))
        return self._node("Gemm", left, self._constant(self._unit), right, beta=scale)

    def mod(self, value: str, modulus: float) -> str:
        """Remainder of a float that holds a non-negative integer."""
        return self._node("Mod", value, modulus, fmod=1)

    def clip(self, value: str, low: float, high: float) -> str:
        """``value`` limited to ``[low, high]``."""
        return self._node("Clip", value, low, high)

    def round(self, value: str) -> str:
        """The nearest integer as float, half to even."""
        return self._node("Round", value)

    def log(self, value: str) -> str:
        """Natural logarithm."""
        return self._node("Log", value)

    def odds_against(self, value: str) -> str:
        """``1 / value - 1`` of entries in (0, 1]."""
        # Shrink subtracts its bias from what is larger than lambd; with no operand to broadcast it is cheaper than Sub.
        return self._node("Shrink", self._node("Reciprocal", value), lambd=0.0, bias=1.0)

    def tanh(self, value: str, scale: float) -> str:
        """``tanh(scale * value)``."""
        if self._unit is None:
            return self._node("Tanh", self.mul(value, scale))
        return self._node("Tanh", self._node("Gemm", value, self._constant(self._unit * np.float32(scale))))

    def sigmoid_of_sum(self, value: str, width: int, slope: float, shift: float) -> str:
        """``1 / (1 + exp(-(slope * sum + shift)))`` with the sum of each row, ``[batch, 1]``."""
        weights, bias = np.full((width, 1), slope, np.float32), np.array([shift], np.float32)
        return self._node("Sigmoid", self.affine(value, weights, bias))

    def affine(self, value: str, weights: Array, bias: Array) -> str:
        """``value @ weights + bias``."""
        return self._node("Gemm", value, self._constant(weights), self._constant(bias))

    def reduce_max(self, value: str) -> str:
        """Largest entry of each row."""
        return self._maximum(value, keepdims=1)

    def row_max(self, value: str) -> str:
        """Largest entry of each row, ``[batch]``."""
        return self._maximum(value, keepdims=0)

    def one_hot_top(self, value: str) -> str:
        """1 at the first of each row's largest entries, 0 elsewhere."""
        return self._node("Hardmax", value, axis=-1)

    def keep_largest(self, value: str, count: int) -> str:
        """The entries that reach the ``count``-th largest of their row; the others become 0."""
        largest = self._node("TopK", value, self._constant(np.array([count], np.int64)), outputs=2, axis=-1)
        if count > 1:
            start, end, axis = (self._constant(np.array([number], np.int64)) for number in (count - 1, count, 1))
            largest = self._node("Slice", largest, start, end, axis)
        return self._node("Where", self._node("Less", value, largest), 0.0, value)

    def normalize(self, value: str) -> str:
        """Non-negative rows divided by their sums."""
        if self._unit is not None:
            return self._node("LpNormalization", value, axis=-1, p=1)
        # It adds one entry after the other, which loses more digits the more there are.
        total = self._node("ReduceSum", value, self._constant(np.array([-1], np.int64)), keepdims=1)
        return self._node("Div", value, total)

    def permute(self, value: str, order: Array) -> str:
        """Column ``order[j]`` as column j."""
        return self._node("Gather", value, self._constant(order.astype(np.int64)), axis=1)

    def arg_max(self, value: str) -> str:
        """Index of the first of each row's largest entries."""
        return self._node("ArgMax", value, axis=-1, keepdims=0)

    def as_float(self, value: str) -> str:
        """Integers as float."""
        return self._node("Cast", value, to=TensorProto.FLOAT)

    def as_index(self, value: str) -> str:
        """An integer-valued ``[batch]`` as an index."""
        return self._node("Cast", value, to=TensorProto.INT64)

    def take(self, table: Array, index: str) -> str:
        """Rows of a table."""
        return self._node("Gather", self._constant(table), index, axis=0)

    def take_at_top(self, table: Array, value: str, weights: Array, bias: Array) -> str:
        """The row of a table where ``value @ weights + bias`` has the first of its largest entries."""
        sums = self.affine(value, weights, bias)
        if len(table) > _FEW_ROWS:
            return self.take(table, self.arg_max(sums))
        # A row of ones and zeros times a table is exact, and cheaper than an index on the way to a row.
        return self._node("Gemm", self.one_hot_top(sums), self._constant(table))

    def at_step(self, table: Array, value: str, scale: float, zero_point: np.int8) -> str:
        """What a table of the 256 steps, from -128 on, holds where :meth:`quantize` puts a float ``[batch]``."""
        # A negative index counts from the end: the table is turned instead of the index shifted.
        return self.take(
            np.roll(table, len(table) // 2, axis=0), self.as_index(self.quantize(value, scale, zero_point))
        )

    def below(self, value: str, bound: str | float) -> str:
        """``value < bound``."""
        bound = self._constant(np.int64(bound)) if isinstance(bound, int) else bound
        return self._node("Less", value, bound)

    def where(self, condition: str, then: str, otherwise: str) -> str:
        """One or the other."""
        return self._node("Where", condition, then, otherwise)

    def swap(self, value: str, first: str, second: str) -> str:
        """Each row with the entries at two indices exchanged."""
        last = self._constant(np.array([1], np.int64))
        columns = [self._node("Unsqueeze", index, last) for index in (first, second)]
        here, there = (self._node("Concat", *pair, axis=1) for pair in (columns, columns[::-1]))
        return self._node("ScatterElements", value, here, self._node("GatherElements", value, there, axis=1), axis=1)

    def place(self, rest: str, indices: str, values: str, classes: int) -> str:
        """Rows of ``classes`` entries: ``rest`` everywhere but ``values`` at ``indices``."""
        spread = self._node("Expand", rest, self._constant(np.array([1, classes], np.int64)))
        return self._node("ScatterElements", spread, indices, values, axis=1)

    def rename(self, value: str, name: str) -> None:
        """Give the result of the last node the name of a graph output."""
        if not self.nodes or self.nodes[-1].output[0] != value:
            raise ValueError(f"{value} is not the newest value")
        self.nodes[-1].output[0] = name

    def _maximum(self, value: str, *, keepdims: int) -> str:
        if self._opset < 18:
            return self._node("ReduceMax", value, axes=[-1], keepdims=keepdims)
        return self._node("ReduceMax", value, self._constant(np.array([-1], np.int64)), keepdims=keepdims)

    def _node(self, kind: str, *inputs: str | float, outputs: int = 1, **attributes: float | list[int]) -> str:
        """Add a node; returns its first output."""
        names = [value if isinstance(value, str) else self._constant(np.float32(value)) for value in inputs]
        name = f"{PREFIX}{len(self.nodes)}_{kind}"
        others = [f"{name}_{index}" for index in range(1, outputs)]
        node = helper.make_node(kind, names, [name, *others], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return name

    def _constant(self, value: np.ndarray[Any, Any] | np.generic) -> str:
        array = np.asarray(value)
        key = (array.tobytes(), array.dtype.str, array.shape)
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"{PREFIX}constant_{len(self._constants)}")
        return self._constants[key].name
