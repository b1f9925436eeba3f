"""Defenses as TFLite operators: :class:`edgeguard.defenses.ops.Ops` on the tensors of a flatbuffer."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeguard.defenses.ops import Integer
from edgeguard.export.tflite.apart import told_apart
from edgeguard.export.tflite.tail import Tail, Value

__all__ = ["TfliteOps"]

Array = np.ndarray[Any, Any]
Operator = schema.BuiltinOperator

# Steps of an int8 grid, half of which are negative.
_STEPS = 256
# Up to here a row of the unit matrix is looked up faster than it is computed, and takes 16 KB at most.
_FEW_CLASSES = 64


class TfliteOps:
    """Appends to a graph through its tail; one method call is one operator, or the few that TFLite needs for it.

    Indices are int32, as TFLite's kernels want them. What :meth:`quantize` returns is held as float: its integers are
    only ever counted with or looked up.
    """

    def __init__(self, tail: Tail) -> None:
        self._tail = tail

    def dequantize(self, value: Value, scale: float, zero_point: Integer | int) -> Value:
        """``(value - zero_point) * scale`` as float."""
        if self._tail.grid(value) == (np.float32(scale), int(zero_point)):
            return self._tail.add(Operator.DEQUANTIZE, [value], value.shape)
        result = value if value.dtype == np.float32 else self.as_float(value)
        if zero_point:
            result = self.sub(result, float(zero_point))
        return result if scale == 1 else self.mul(result, scale)

    def quantize(self, value: Value, scale: float, zero_point: np.int8) -> Value:
        """``round(value / scale) + zero_point``, half to even, limited to int8."""
        # QUANTIZE would round halves away from zero.
        steps = self.round(self._binary(Operator.DIV, value, scale))
        if zero_point:
            steps = self.add(steps, float(zero_point))
        return self.clip(steps, -_STEPS // 2, _STEPS // 2 - 1)

    def softmax(self, value: Value) -> Value:
        """Softmax over the last axis."""
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        return self._tail.add(Operator.SOFTMAX, [value], value.shape, options=options)

    def add(self, left: Value | float, right: Value | float) -> Value:
        """``left + right``."""
        return self._binary(Operator.ADD, left, right)

    def sub(self, left: Value | float, right: Value | float) -> Value:
        """``left - right``."""
        return self._binary(Operator.SUB, left, right)

    def mul(self, left: Value | float, right: Value | float) -> Value:
        """``left * right``."""
        return self._binary(Operator.MUL, left, right)

    def add_scaled(self, left: Value, right: Value, scale: float) -> Value:
        """``left + scale * right``."""
        return self.add(left, self.mul(right, scale))

    def mod(self, value: Value, modulus: float) -> Value:
        """Remainder of a float that holds a non-negative integer."""
        return self._binary(Operator.FLOOR_MOD, value, modulus)

    def clip(self, value: Value, low: float, high: float) -> Value:
        """``value`` limited to ``[low, high]``."""
        return self._binary(Operator.MINIMUM, self._binary(Operator.MAXIMUM, value, low), high)

    def round(self, value: Value) -> Value:
        """The nearest integer as float, half to even."""
        return self._tail.add(Operator.ROUND, [value], value.shape)

    def log(self, value: Value) -> Value:
        """Natural logarithm."""
        return self._tail.add(Operator.LOG, [value], value.shape)

    def odds_against(self, value: Value) -> Value:
        """``1 / value - 1`` of entries in (0, 1]."""
        return self.sub(self._binary(Operator.DIV, 1.0, value), 1.0)

    def tanh(self, value: Value, scale: float) -> Value:
        """``tanh(scale * value)``."""
        return self._tail.add(Operator.TANH, [self.mul(value, scale)], value.shape)

    def sigmoid_of_sum(self, value: Value, width: int, slope: float, shift: float) -> Value:
        """``1 / (1 + exp(-(slope * sum + shift)))`` with the sum of each row, ``[batch, 1]``."""
        weights, bias = np.full((width, 1), slope, np.float32), np.array([shift], np.float32)
        total = self.affine(value, weights, bias)
        return self._tail.add(Operator.LOGISTIC, [total], total.shape)

    def affine(self, value: Value, weights: Array, bias: Array) -> Value:
        """``value @ weights + bias``."""
        held = [value, self._tail.constant(np.ascontiguousarray(weights.T)), self._tail.constant(bias)]
        shape = (value.shape[0], weights.shape[1])
        return self._tail.add(Operator.FULLY_CONNECTED, held, shape, options=schema.FullyConnectedOptionsT())

    def reduce_max(self, value: Value) -> Value:
        """Largest entry of each row."""
        return self._reduced(Operator.REDUCE_MAX, value, keep=True)

    def row_max(self, value: Value) -> Value:
        """Largest entry of each row, ``[batch]``."""
        return self._reduced(Operator.REDUCE_MAX, value, keep=False)

    def one_hot_top(self, value: Value) -> Value:
        """1 at the first of each row's largest entries, 0 elsewhere."""
        classes, index = value.shape[-1], self.arg_max(value)
        # ONE_HOT takes longer than either: of a thousand classes, a microsecond.
        if classes <= _FEW_CLASSES:
            return self.take(np.eye(classes, dtype=np.float32), index)
        column = self._tail.reshape(index, (value.shape[0], 1))
        return self._tail.cast(self._is_column(column, classes), np.float32)

    def keep_largest(self, value: Value, count: int) -> Value:
        """The entries that reach the ``count``-th largest of their row; the others become 0."""
        floor = self.reduce_max(value)
        if count > 1:
            shape = (value.shape[0], count)
            held = [value, self._tail.constant(np.int32(count))]
            largest, _ = self._tail.add_all(
                Operator.TOPK_V2, held, [(shape, np.float32), (shape, np.int32)], options=schema.TopKV2OptionsT()
            )
            floor = self._gather(largest, self._tail.constant(np.array([count - 1], np.int32)), axis=1)
        return self.where(self.below(value, floor), self._tail.constant(np.float32(0)), value)

    def normalize(self, value: Value) -> Value:
        """Non-negative rows divided by their sums."""
        return self._binary(Operator.DIV, value, self._reduced(Operator.SUM, value, keep=True))

    def permute(self, value: Value, order: Array) -> Value:
        """Column ``order[j]`` as column j."""
        return self._gather(value, self._tail.constant(order.astype(np.int32)), axis=1)

    def arg_max(self, value: Value) -> Value:
        """Index of the first of each row's largest entries."""
        # Integers are compared as they are held: a cast changes nothing, and costs.
        held = [self._tail.before_cast(value), self._tail.constant(np.int32(len(value.shape) - 1))]
        options = schema.ArgMaxOptionsT()
        options.outputType = schema.TensorType.INT32
        return self._tail.add(Operator.ARG_MAX, held, value.shape[:-1], options=options, dtype=np.int32)

    def as_float(self, value: Value) -> Value:
        """Integers as float."""
        return self._tail.cast(value, np.float32)

    def as_index(self, value: Value) -> Value:
        """An integer-valued ``[batch]`` as an index."""
        return self._tail.cast(value, np.int32)

    def take(self, table: Array, index: Value) -> Value:
        """Rows of a table."""
        if self._tail.before_cast(index).dtype == np.int8:
            # GATHER does not count from the end.
            half = len(table) // 2
            index, table = self.add(index, half), np.roll(table, half, axis=0)
        if table.ndim == 2 and table.dtype == np.float32:
            # It copies a row, and nothing else; GATHER takes three times as long to begin.
            shape = (index.shape[0], table.shape[1])
            return self._tail.add(Operator.EMBEDDING_LOOKUP, [index, self._tail.constant(table)], shape)
        return self._gather(self._tail.constant(_narrow(table)), index, axis=0)

    def take_at_top(self, table: Array, value: Value, weights: Array, bias: Array) -> Value:
        """The row of a table where ``value @ weights + bias`` has the first of its largest entries."""
        held = self._tail.before_cast(value)
        grid = None if held is value else self._tail.grid(held)
        if grid is not None:
            scale, zero_point = float(grid[0]), grid[1]
            apart = told_apart(weights, bias, held.dtype, scale, zero_point)
            if apart is not None:
                value, (weights, bias) = self.dequantize(held, scale, zero_point), apart
        return self.take(table, self.arg_max(self.affine(value, weights, bias)))

    def at_step(self, table: Array, value: Value, scale: float, zero_point: np.int8) -> Value:
        """What a table of the 256 steps, from -128 on, holds where :meth:`quantize` puts a float ``[batch]``."""
        steps = self.add(self.quantize(value, scale, zero_point), float(_STEPS // 2))
        return self.take(table, self.as_index(steps))

    def below(self, value: Value, bound: Value | float) -> Value:
        """``value < bound``."""
        return self._binary(Operator.LESS, value, bound, dtype=np.bool_)

    def where(self, condition: Value, then: Value, otherwise: Value) -> Value:
        """One or the other."""
        shape = np.broadcast_shapes(condition.shape, then.shape, otherwise.shape)
        held = [condition, then, otherwise]
        return self._tail.add(Operator.SELECT_V2, held, shape, options=schema.SelectV2OptionsT(), dtype=then.dtype)

    def swap(self, value: Value, first: Value, second: Value) -> Value:
        """Each row with the entries at two indices exchanged."""
        columns = [self._tail.reshape(index, (value.shape[0], 1)) for index in (first, second)]
        entries = [self._gather(value, column, axis=1, batch_axes=1) for column in columns]
        there = self.where(self._is_column(columns[1], value.shape[-1]), entries[0], value)
        return self.where(self._is_column(columns[0], value.shape[-1]), entries[1], there)

    def place(self, rest: Value, indices: Value, values: Value, classes: int) -> Value:
        """Rows of ``classes`` entries: ``rest`` everywhere but ``values`` at ``indices``."""
        if rest.shape[0] == 1 and not self._tail.batched:
            return self._place_in_one(rest, indices, values, classes)
        result = rest
        for index, entry in zip(self._columns(indices), self._columns(values), strict=True):
            result = self.where(self._is_column(index, classes), entry, result)
        return result

    def _place_in_one(self, rest: Value, indices: Value, values: Value, classes: int) -> Value:
        """The same for a single row, which of a thousand classes saves 1.5 us."""
        # The batch is written out: whoever resizes the file anyway gets an error, and no answers to other queries.
        where = self._tail.reshape(indices, (*indices.shape, 1), resizable=False)
        held = [where, values, self._tail.constant(np.array([classes], np.int32))]
        row = self._tail.add(Operator.SCATTER_ND, held, (classes,), options=schema.ScatterNdOptionsT())
        return self._binary(Operator.MAXIMUM, row, rest)

    def _binary(self, kind: int, left: Value | float, right: Value | float, dtype: Any = None) -> Value:
        both = [left, right]
        operand = next(entry for entry in both if isinstance(entry, Value))
        held = [entry if isinstance(entry, Value) else self._tail.constant(operand.dtype.type(entry)) for entry in both]
        shape = np.broadcast_shapes(*(entry.shape for entry in held))
        options = _OPTIONS.get(kind)
        return self._tail.add(kind, held, shape, options=options and options(), dtype=dtype or operand.dtype.type)

    def _reduced(self, kind: int, value: Value, *, keep: bool) -> Value:
        options = schema.ReducerOptionsT()
        options.keepDims = keep
        shape = (*value.shape[:-1], 1) if keep else value.shape[:-1]
        held = [value, self._tail.constant(np.array([len(value.shape) - 1], np.int32))]
        return self._tail.add(kind, held, shape, options=options, dtype=value.dtype.type, grid_of=value)

    def _gather(self, table: Value, index: Value, *, axis: int, batch_axes: int = 0) -> Value:
        options = schema.GatherOptionsT()
        options.axis, options.batchDims = axis, batch_axes
        shape = (*table.shape[:axis], *index.shape[batch_axes:], *table.shape[axis + 1 :])
        return self._tail.add(Operator.GATHER, [table, index], shape, options=options, dtype=table.dtype.type)

    def _is_column(self, index: Value, classes: int) -> Value:
        """Whether each of ``classes`` columns is the one at an index ``[batch, 1]``."""
        columns = self._tail.constant(np.arange(classes, dtype=np.int32)[None])
        return self._binary(Operator.EQUAL, index, columns, dtype=np.bool_)

    def _columns(self, value: Value) -> list[Value]:
        """The columns of ``[batch, m]``, each ``[batch, 1]``."""
        batch, count = value.shape
        if count == 1:
            return [value]
        options = schema.SplitOptionsT()
        options.numSplits = count
        kinds = [((batch, 1), value.dtype.type)] * count
        return self._tail.add_all(Operator.SPLIT, [self._tail.constant(np.int32(1)), value], kinds, options=options)


_OPTIONS = {
    Operator.ADD: schema.AddOptionsT,
    Operator.SUB: schema.SubOptionsT,
    Operator.MUL: schema.MulOptionsT,
    Operator.DIV: schema.DivOptionsT,
    Operator.MAXIMUM: schema.MaximumMinimumOptionsT,
    Operator.MINIMUM: schema.MaximumMinimumOptionsT,
    Operator.FLOOR_MOD: schema.FloorModOptionsT,
    Operator.LESS: schema.LessOptionsT,
    Operator.EQUAL: schema.EqualOptionsT,
}


def _narrow(table: Array) -> Array:
    """Indices as int32, which is what they are looked up as."""
    return table.astype(np.int32) if table.dtype == np.int64 else table
