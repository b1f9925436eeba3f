"""What is appended to a TFLite graph: tensors, constants and operators behind the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

__all__ = ["PREFIX", "TYPES", "Tail", "Value"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

# Every tensor that a defense adds carries it, so that the tail can be told from the network.
PREFIX = "edgeguard/"

TYPES: dict[int, np.dtype[Any]] = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.INT32: np.dtype(np.int32),
    schema.TensorType.UINT8: np.dtype(np.uint8),
    schema.TensorType.INT8: np.dtype(np.int8),
    schema.TensorType.INT16: np.dtype(np.int16),
    schema.TensorType.FLOAT16: np.dtype(np.float16),
    schema.TensorType.BOOL: np.dtype(np.bool_),
}
_CODES = {dtype: code for code, dtype in TYPES.items()}
# The first built-in operator that the old field of one byte cannot hold.
_PLACEHOLDER = 127


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the graph.

    :param index: among the graph's tensors.
    """

    index: int
    dtype: np.dtype[Any]
    shape: Shape


class Tail:
    """Appends to the main graph of a model, which it changes.

    :param model: a ``ModelT`` that nobody else uses.
    :param batched: whether the first axis of what is appended may be resized, as that of the network's output may.
    """

    def __init__(self, model: Any, *, batched: bool) -> None:
        self._model = model
        self._graph = model.subgraphs[0]
        self._batched = batched
        self._constants: dict[tuple[bytes, str, Shape], Value] = {}
        self._casts: dict[int, Value] = {}
        self._count = 0

    @property
    def batched(self) -> bool:
        """Whether the first axis of what is appended may be resized."""
        return self._batched

    def value(self, index: int) -> Value:
        """A tensor that is there already."""
        tensor = self._graph.tensors[index]
        return Value(index, TYPES[tensor.type], tuple(int(size) for size in tensor.shape))

    def grid(self, value: Value) -> tuple[np.float32, int] | None:
        """Scale and zero point of a tensor of integers; ``None`` if it has none."""
        quantization = self._graph.tensors[value.index].quantization
        if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
            return None
        return np.float32(quantization.scale[0]), int(quantization.zeroPoint[0])

    def add(
        self,
        kind: int,
        inputs: Sequence[Value],
        shape: Shape,
        *,
        options: Any = None,
        dtype: Any = np.float32,
        grid_of: Value | None = None,
    ) -> Value:
        """Append an operator with one output.

        :param kind: a built-in operator.
        :param options: its options, an object of the schema.
        :param grid_of: whose scale and zero point an output of integers shares.
        """
        (result,) = self.add_all(kind, inputs, [(shape, dtype)], options=options)
        if grid_of is not None and self.grid(grid_of) is not None:
            tensors = self._graph.tensors
            tensors[result.index].quantization = tensors[grid_of.index].quantization
        return result

    def add_all(
        self, kind: int, inputs: Sequence[Value], outputs: Sequence[tuple[Shape, Any]], *, options: Any = None
    ) -> list[Value]:
        """Append an operator with any number of outputs, each a shape and a type."""
        results = [self._tensor(shape, np.dtype(dtype)) for shape, dtype in outputs]
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(kind)
        operator.inputs = np.array([value.index for value in inputs], np.int32)
        operator.outputs = np.array([value.index for value in results], np.int32)
        if options is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            operator.builtinOptions = options
        self._graph.operators.append(operator)
        return results

    def constant(self, value: Array | np.generic) -> Value:
        """A constant; equal ones are one."""
        array = np.asarray(value)
        key = (array.tobytes(), array.dtype.str, array.shape)
        if key not in self._constants:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(key[0], np.uint8)
            self._model.buffers.append(buffer)
            result = self._tensor(array.shape, array.dtype)
            tensor = self._graph.tensors[result.index]
            tensor.buffer = len(self._model.buffers) - 1
            # Only what depends on the input can be resized with it.
            tensor.shapeSignature = None
            self._constants[key] = result
        return self._constants[key]

    def cast(self, value: Value, dtype: Any) -> Value:
        """The same numbers in another type."""
        options = schema.CastOptionsT()
        options.inDataType, options.outDataType = _CODES[value.dtype], _CODES[np.dtype(dtype)]
        result = self.add(schema.BuiltinOperator.CAST, [value], value.shape, options=options, dtype=dtype)
        self._casts[result.index] = value
        return result

    def before_cast(self, value: Value) -> Value:
        """What a value was cast from, or the value itself."""
        return self._casts.get(value.index, value)

    def reshape(self, value: Value, shape: Shape, *, resizable: bool = True) -> Value:
        """The same numbers in another shape, whose first axis is the batch.

        :param resizable: whether that axis follows the batch; else it is what ``shape`` says, or the file fails.
        """
        options = schema.ReshapeOptionsT()
        sizes = np.array([-1 if resizable else shape[0], *shape[1:]], np.int32)
        options.newShape = sizes
        held = [value, self.constant(sizes)]
        return self.add(
            schema.BuiltinOperator.RESHAPE, held, shape, options=options, dtype=value.dtype.type, grid_of=value
        )

    def rename(self, value: Value, name: str) -> None:
        """Call a tensor otherwise."""
        self._graph.tensors[value.index].name = name.encode()

    def _tensor(self, shape: Shape, dtype: np.dtype[Any]) -> Value:
        tensor = schema.TensorT()
        tensor.shape = np.array(shape, np.int32)
        tensor.type = _CODES[dtype]
        tensor.buffer = 0
        tensor.name = f"{PREFIX}{self._count}".encode()
        if self._batched and shape:
            tensor.shapeSignature = np.array([-1, *shape[1:]], np.int32)
        self._count += 1
        self._graph.tensors.append(tensor)
        return Value(len(self._graph.tensors) - 1, dtype, shape)

    def _code(self, kind: int) -> int:
        codes = self._model.operatorCodes
        for index, code in enumerate(codes):
            if max(int(code.builtinCode), int(code.deprecatedBuiltinCode)) == kind:
                return index
        code = schema.OperatorCodeT()
        code.builtinCode = kind
        code.deprecatedBuiltinCode = min(kind, _PLACEHOLDER)
        code.version = 1
        codes.append(code)
        return len(codes) - 1
