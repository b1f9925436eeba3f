"""Defenses in numpy: the host post-processor, and the reference for every other backend."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.defenses.head import Grid
from edgeguard.defenses.ops import Integer

__all__ = ["NumpyOps"]

Array = np.ndarray[Any, Any]


class NumpyOps:
    """:class:`edgeguard.defenses.ops.Ops` on numpy arrays, in one float type throughout."""

    def __init__(self, dtype: type[np.floating[Any]] = np.float32) -> None:
        self._dtype = dtype
        self._changes: dict[tuple[int, float, int], tuple[Array, Array, Array]] = {}

    def dequantize(self, value: Array, scale: float, zero_point: Integer) -> Array:
        """``(value - zero_point) * scale`` as float."""
        shifted = value.astype(np.float32)
        if zero_point:
            shifted -= np.float32(zero_point)
        return shifted if scale == 1 else self.mul(shifted, scale)

    def quantize(self, value: Array, scale: float, zero_point: np.int8) -> Array:
        """``round(value / scale) + zero_point``, half to even, limited to int8."""
        # Float32 whatever the type throughout is: a step is where every backend puts it, or it is another step.
        steps = np.rint(value.astype(np.float32) / np.float32(scale)) + np.float32(zero_point)
        # Beside few logits, np.clip costs several times what these two do.
        np.maximum(steps, np.float32(-128), out=steps)
        np.minimum(steps, np.float32(127), out=steps)
        limited: Array = steps.astype(np.int8)
        return limited

    def softmax(self, value: Array) -> Array:
        """Softmax over the last axis, shifted by the maximum so that it cannot overflow."""
        value = value.astype(self._dtype, copy=False)
        exponentials = np.exp(value - value.max(axis=-1, keepdims=True))
        return self.normalize(exponentials)

    def add(self, left: Array | float, right: Array | float) -> Array:
        """``left + right``."""
        if isinstance(left, np.ndarray) and left.dtype == np.int64:
            return np.add(left, right)
        return np.add(self._cast(left), self._cast(right))

    def sub(self, left: Array | float, right: Array | float) -> Array:
        """``left - right``."""
        return np.subtract(self._cast(left), self._cast(right))

    def mul(self, left: Array | float, right: Array | float) -> Array:
        """``left * right``."""
        return np.multiply(self._cast(left), self._cast(right))

    def add_scaled(self, left: Array, right: Array, scale: float) -> Array:
        """``left + scale * right``."""
        return self.add(left, self.mul(right, scale))

    def mod(self, value: Array, modulus: float) -> Array:
        """Remainder of a float that holds a non-negative integer."""
        return np.fmod(self._cast(value), self._dtype(modulus))

    def clip(self, value: Array, low: float, high: float) -> Array:
        """``value`` limited to ``[low, high]``."""
        limited: Array = np.clip(value, self._dtype(low), self._dtype(high))
        return limited

    def round(self, value: Array) -> Array:
        """The nearest integer as float, half to even."""
        return np.rint(value)

    def log(self, value: Array) -> Array:
        """Natural logarithm."""
        return np.log(value)

    def odds_against(self, value: Array) -> Array:
        """``1 / value - 1``."""
        return self.sub(np.reciprocal(value), 1.0)

    def tanh(self, value: Array, scale: float) -> Array:
        """``tanh(scale * value)``."""
        return np.tanh(self.mul(value, scale))

    def sigmoid_of_sum(self, value: Array, width: int, slope: float, shift: float) -> Array:  # noqa: ARG002
        """``1 / (1 + exp(-(slope * sum + shift)))`` of each row, by way of tanh, which cannot overflow."""
        total = value.sum(axis=-1, keepdims=True)
        return self.mul(self.add(np.tanh(self.add(self.mul(total, slope / 2), shift / 2)), 1.0), 0.5)

    def affine(self, value: Array, weights: Array, bias: Array) -> Array:
        """``value @ weights + bias``."""
        # On two dimensions the same product as @, which is slower to start.
        result: Array = value.dot(weights)
        result += bias
        return result

    def reduce_max(self, value: Array) -> Array:
        """Largest entry of each row."""
        largest: Array = value.max(axis=-1, keepdims=True)
        return largest

    def row_max(self, value: Array) -> Array:
        """Largest entry of each row, ``[batch]``."""
        # Of many short rows numpy finds the largest of each column several times faster.
        many = len(value) > 4 * value.shape[-1]
        largest: Array = np.ascontiguousarray(value.T).max(axis=0) if many else value.max(axis=-1)
        return largest

    def one_hot_top(self, value: Array) -> Array:
        """1 at the first of each row's largest entries, 0 elsewhere."""
        result = np.zeros(value.shape, self._dtype)
        result[np.arange(len(value)), value.argmax(axis=-1)] = 1
        return result

    def keep_largest(self, value: Array, count: int) -> Array:
        """The entries that reach the ``count``-th largest of their row; the others become 0."""
        floor = np.partition(value, -count, axis=-1)[..., -count, None]
        return np.where(value < floor, self._dtype(0), value)

    def normalize(self, value: Array) -> Array:
        """Non-negative rows divided by their sums."""
        normal: Array = value / value.sum(axis=-1, keepdims=True)
        return normal

    def permute(self, value: Array, order: Array) -> Array:
        """Column ``order[j]`` as column j."""
        return value[..., order]

    def arg_max(self, value: Array) -> Array:
        """Index of the first of each row's largest entries."""
        index: Array = value.argmax(axis=-1)
        return index

    def as_float(self, value: Array) -> Array:
        """Integers as float."""
        return value.astype(self._dtype)

    def as_index(self, value: Array) -> Array:
        """An integer-valued ``[batch]`` as an index."""
        return value.astype(np.int64)

    def take(self, table: Array, index: Array) -> Array:
        """Rows of a table."""
        return table.take(index, axis=0)

    def take_at_top(self, table: Array, value: Array, weights: Array, bias: Array) -> Array:
        """The row of a table where ``value @ weights + bias`` has the first of its largest entries."""
        return self.take(table, self.affine(value, weights, bias).argmax(axis=-1))

    def at_step(self, table: Array, value: Array, scale: float, zero_point: np.int8) -> Array:
        """What a table of the 256 steps, from -128 on, holds where :meth:`quantize` puts a float ``[batch]``.

        By the logits at which the table changes, which are few: a search among them costs less than rounding.
        """
        key = (id(table), scale, int(zero_point))
        if key not in self._changes:
            grid = Grid(scale, int(zero_point))
            changes = np.flatnonzero(np.diff(table)) + 1
            edges = np.array([grid.edge(int(index) - len(table) // 2) for index in changes], np.float32)
            # The table is kept, or another one could get its id.
            self._changes[key] = (edges, table[np.concatenate([[0], changes])], table)
        edges, values, _ = self._changes[key]
        return values.take(edges.searchsorted(value.astype(np.float32, copy=False), side="right"))

    def below(self, value: Array, bound: Array | float) -> Array:
        """``value < bound``."""
        # A bound that float32 cannot hold is another bound in a graph.
        if value.dtype != np.int64 and not isinstance(bound, np.ndarray):
            bound = float(np.float32(bound))
        smaller: Array = np.less(value, bound)
        return smaller

    def where(self, condition: Array, then: Array, otherwise: Array) -> Array:
        """One or the other."""
        return np.where(condition, then, otherwise)

    def swap(self, value: Array, first: Array, second: Array) -> Array:
        """Each row with the entries at two indices exchanged."""
        result = value.copy()
        rows = np.arange(len(value))
        result[rows, first], result[rows, second] = value[rows, second], value[rows, first]
        return result

    def place(self, rest: Array, indices: Array, values: Array, classes: int) -> Array:
        """Rows of ``classes`` entries: ``rest`` everywhere but ``values`` at ``indices``."""
        result = np.empty((len(rest), classes), rest.dtype)
        result[:] = rest
        result[np.arange(len(rest))[:, None], indices] = values
        return result

    def _cast(self, value: Array | float) -> Array:
        return np.asarray(value, self._dtype)
