"""The array operations that defenses are written in.

A defense is written once against :class:`Ops` and runs wherever an implementation exists: :class:`NumpyOps` here (the
host post-processor, and the reference), ``OnnxOps`` in the export package (appends graph nodes). Each method costs
about one graph node, and nodes are what a defense costs, so a method exists only if some defense needs it.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np

__all__ = ["Integer", "NumpyOps", "Ops"]

T = TypeVar("T")
Array = np.ndarray[Any, Any]
Integer = np.uint8 | np.int8


class Ops(Protocol[T]):
    """Operations on ``[batch, classes]`` values; ``T`` is an array or the name of a graph value.

    An operand typed ``T | float`` may be a constant. Reductions run over the last axis and keep it.
    """

    def dequantize(self, value: T, scale: float, zero_point: Integer) -> T:
        """``(value - zero_point) * scale`` as float; ``value`` has the zero point's type."""

    def softmax(self, value: T) -> T:
        """Softmax over the last axis."""

    def add(self, left: T | float, right: T | float) -> T:
        """``left + right``."""

    def sub(self, left: T | float, right: T | float) -> T:
        """``left - right``."""

    def mul(self, left: T | float, right: T | float) -> T:
        """``left * right``."""

    def div(self, left: T | float, right: T | float) -> T:
        """``left / right``; division by zero gives infinity."""

    def clip(self, value: T, low: float, high: float) -> T:
        """``value`` limited to ``[low, high]``; infinity becomes ``high``."""

    def log(self, value: T) -> T:
        """Natural logarithm."""

    def tanh(self, value: T) -> T:
        """Hyperbolic tangent."""

    def sigmoid(self, value: T) -> T:
        """``1 / (1 + exp(-value))``, without overflow."""

    def reduce_max(self, value: T) -> T:
        """Largest entry of each row."""

    def one_hot_top(self, value: T) -> T:
        """1 at the first of each row's largest entries, 0 elsewhere."""

    def normalize(self, value: T) -> T:
        """Non-negative rows divided by their sums."""


class NumpyOps:
    """:class:`Ops` on numpy arrays, in one float type throughout."""

    def __init__(self, dtype: type[np.floating[Any]] = np.float32) -> None:
        self._dtype = dtype

    def dequantize(self, value: Array, scale: float, zero_point: Integer) -> Array:
        """``(value - zero_point) * scale`` as float."""
        return self.mul(value.astype(np.int32) - np.int32(zero_point), scale)

    def softmax(self, value: Array) -> Array:
        """Softmax over the last axis, shifted by the maximum so that it cannot overflow."""
        value = value.astype(self._dtype, copy=False)
        exponentials = np.exp(value - value.max(axis=-1, keepdims=True))
        return self.normalize(exponentials)

    def add(self, left: Array | float, right: Array | float) -> Array:
        """``left + right``."""
        return np.add(self._cast(left), self._cast(right))

    def sub(self, left: Array | float, right: Array | float) -> Array:
        """``left - right``."""
        return np.subtract(self._cast(left), self._cast(right))

    def mul(self, left: Array | float, right: Array | float) -> Array:
        """``left * right``."""
        return np.multiply(self._cast(left), self._cast(right))

    def div(self, left: Array | float, right: Array | float) -> Array:
        """``left / right``; division by zero gives infinity, silently."""
        with np.errstate(divide="ignore"):
            return np.divide(self._cast(left), self._cast(right))

    def clip(self, value: Array, low: float, high: float) -> Array:
        """``value`` limited to ``[low, high]``."""
        limited: Array = np.clip(value, self._dtype(low), self._dtype(high))
        return limited

    def log(self, value: Array) -> Array:
        """Natural logarithm."""
        return np.log(value)

    def tanh(self, value: Array) -> Array:
        """Hyperbolic tangent."""
        return np.tanh(value)

    def sigmoid(self, value: Array) -> Array:
        """``1 / (1 + exp(-value))``, by way of tanh, which cannot overflow."""
        return self.mul(self.add(np.tanh(self.mul(value, 0.5)), 1.0), 0.5)

    def reduce_max(self, value: Array) -> Array:
        """Largest entry of each row."""
        largest: Array = value.max(axis=-1, keepdims=True)
        return largest

    def one_hot_top(self, value: Array) -> Array:
        """1 at the first of each row's largest entries, 0 elsewhere."""
        result = np.zeros_like(value)
        np.put_along_axis(result, value.argmax(axis=-1)[..., None], 1, axis=-1)
        return result

    def normalize(self, value: Array) -> Array:
        """Non-negative rows divided by their sums."""
        return self.div(value, value.sum(axis=-1, keepdims=True))

    def _cast(self, value: Array | float) -> Array:
        return np.asarray(value, self._dtype)
