"""The array operations that defenses are written in.

A defense is written once against :class:`Ops` and runs wherever an implementation exists:
:class:`edgeguard.defenses.numpy_ops.NumpyOps` (the host post-processor, and the reference), ``OnnxOps`` in the export
package (appends graph nodes). Each method costs about one graph node, and nodes are what a defense costs, so a method
exists only if some defense needs it.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np

__all__ = ["Integer", "Ops"]

T = TypeVar("T")
Array = np.ndarray[Any, Any]
Integer = np.uint8 | np.int8


class Ops(Protocol[T]):
    """Operations on ``[batch, classes]`` values; ``T`` is an array or the name of a graph value.

    An operand typed ``T | float`` may be a constant. Reductions run over the last axis and keep it, unless they are
    said to give ``[batch]``. An *index* is an int64 ``[batch]``; a table is a constant.
    """

    def dequantize(self, value: T, scale: float, zero_point: Integer) -> T:
        """``(value - zero_point) * scale`` as float; ``value`` has the zero point's type."""

    def quantize(self, value: T, scale: float, zero_point: np.int8) -> T:
        """``round(value / scale) + zero_point``, half to even, limited to int8."""

    def softmax(self, value: T) -> T:
        """Softmax over the last axis."""

    def add(self, left: T | float, right: T | float) -> T:
        """``left + right``."""

    def sub(self, left: T | float, right: T | float) -> T:
        """``left - right``."""

    def mul(self, left: T | float, right: T | float) -> T:
        """``left * right``."""

    def add_scaled(self, left: T, right: T, scale: float) -> T:
        """``left + scale * right``."""

    def mod(self, value: T, modulus: float) -> T:
        """Remainder of a float that holds a non-negative integer."""

    def clip(self, value: T, low: float, high: float) -> T:
        """``value`` limited to ``[low, high]``; infinity becomes ``high``."""

    def round(self, value: T) -> T:
        """The nearest integer as float, half to even."""

    def log(self, value: T) -> T:
        """Natural logarithm."""

    def odds_against(self, value: T) -> T:
        """``1 / value - 1`` of entries in (0, 1]."""

    def tanh(self, value: T, scale: float) -> T:
        """``tanh(scale * value)`` of a finite value."""

    def sigmoid_of_sum(self, value: T, width: int, slope: float, shift: float) -> T:
        """``1 / (1 + exp(-(slope * sum + shift)))`` of the sums of rows of ``width``, ``[batch, 1]``; no overflow."""

    def affine(self, value: T, weights: Array, bias: Array) -> T:
        """``value @ weights + bias`` for float32 weights ``[classes, m]`` and bias ``[m]``."""

    def reduce_max(self, value: T) -> T:
        """Largest entry of each row."""

    def row_max(self, value: T) -> T:
        """Largest entry of each row, ``[batch]``."""

    def one_hot_top(self, value: T) -> T:
        """1 at the first of each row's largest entries, 0 elsewhere."""

    def keep_largest(self, value: T, count: int) -> T:
        """The entries that reach the ``count``-th largest of their row; the others become 0."""

    def normalize(self, value: T) -> T:
        """Non-negative rows divided by their sums."""

    def permute(self, value: T, order: Array) -> T:
        """Column ``order[j]`` as column j."""

    def arg_max(self, value: T) -> T:
        """Index of the first of each row's largest entries."""

    def as_float(self, value: T) -> T:
        """Integers as float."""

    def as_index(self, value: T) -> T:
        """An integer-valued ``[batch]`` as an index."""

    def take(self, table: Array, index: T) -> T:
        """Rows of a table, ``[batch]`` or ``[batch, columns]``; a negative index counts from the table's end."""

    def take_at_top(self, table: Array, value: T, weights: Array, bias: Array) -> T:
        """The row of a table, ``[n, columns]``, where ``affine(value, weights, bias)`` has the first of its largest
        entries; value, weights and bias hold whole numbers, and so do the sums, all below 2^24."""

    def at_step(self, table: Array, value: T, scale: float, zero_point: np.int8) -> T:
        """What a table of the 256 steps, from -128 on, holds where :meth:`quantize` puts a float ``[batch]``."""

    def below(self, value: T, bound: T | float) -> T:
        """``value < bound`` of two ``[batch]`` of one type; a constant bound is an int for an index."""

    def where(self, condition: T, then: T, otherwise: T) -> T:
        """One ``[batch]`` or the other."""

    def swap(self, value: T, first: T, second: T) -> T:
        """Each row with the entries at two indices exchanged."""

    def place(self, rest: T, indices: T, values: T, classes: int) -> T:
        """Rows of ``classes`` entries: ``rest [batch, 1]`` everywhere but ``values [batch, m]`` at ``indices``.

        The indices of a row differ; values are no smaller than the rest, which is not negative.
        """
