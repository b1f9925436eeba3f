"""TFLite files for tests, written operator by operator: a dense layer behind an image, in float or int8."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeguard.export.tflite.flatbuffer import pack

__all__ = ["CLASSES", "IMAGE", "INPUT_GRID", "OUTPUT", "SIZE", "Grid", "dense_file", "dense_weights"]

Array = np.ndarray[Any, Any]
Grid = tuple[float, int]

SIZE = 4
CLASSES = 10
IMAGE, OUTPUT = "image:0", "probabilities"
# Of pixels between 0 and 1.
INPUT_GRID: Grid = (1 / 255, -128)
_KINDS = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int8): schema.TensorType.INT8,
}
_OPERATORS = schema.BuiltinOperator


@dataclass
class _File:
    """A graph that grows."""

    tensors: list[Any] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    codes: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])

    def tensor(self, name: str, shape: tuple[int, ...], dtype: Any, grid: Grid | None = None) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.buffer = name.encode(), _KINDS[np.dtype(dtype)], 0
        tensor.shape = np.array(shape, np.int32)
        if grid is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([grid[0]], np.float32)
            tensor.quantization.zeroPoint = np.array([grid[1]], np.int64)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, name: str, value: Array, grid: Grid | None = None) -> int:
        index = self.tensor(name, value.shape, value.dtype, grid)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(value.tobytes(), np.uint8)
        self.buffers.append(buffer)
        self.tensors[index].buffer = len(self.buffers) - 1
        return index

    def operator(self, kind: int, inputs: list[int], output: int, options: tuple[int, Any] = (0, None)) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 4 if kind == _OPERATORS.FULLY_CONNECTED else 1
        self.codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.codes) - 1
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        operator.builtinOptionsType, operator.builtinOptions = options
        self.operators.append(operator)
        return output

    def finish(self, inputs: list[int], outputs: list[int], signed: list[int]) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        model = schema.ModelT()
        model.version, model.subgraphs = 3, [graph]
        model.operatorCodes, model.buffers = self.codes, self.buffers
        if signed:
            model.signatureDefs = [_signature(inputs, signed)]
        return pack(model)


def _signature(inputs: list[int], outputs: list[int]) -> Any:
    def named(prefix: str, tensors: list[int]) -> list[Any]:
        maps = []
        for number, tensor in enumerate(tensors):
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = f"{prefix}_{number}".encode(), tensor
            maps.append(entry)
        return maps

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = named("in", inputs), named("out", outputs)
    return signature


def dense_weights(seed: int = 0) -> tuple[Array, Array]:
    """Random weights ``[classes, pixels]`` and biases, such that predictions vary with the image."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.7, (CLASSES, SIZE * SIZE * 3))
    # Rows that sum to zero: otherwise the mean brightness, alike in all pictures, decides the class.
    weights -= weights.mean(axis=1, keepdims=True)
    return weights.astype(np.float32), rng.normal(0, 0.1, CLASSES).astype(np.float32)


def dense_file(
    grid: Grid | None = None,
    *,
    ends: Literal["logits", "posterior", "top"] = "posterior",
    batch: int = 1,
    exposes: Literal["nothing", "output", "signature"] = "nothing",
    signed: bool = False,
    seed: int = 0,
) -> bytes:
    """A classifier of images ``[batch, 4, 4, 3]``.

    :param grid: of int8 logits; then the input is int8 too, and the dense layer. ``None`` leaves all in float.
    :param ends: in the logits as the dense layer gives them, in float probabilities, or in the number of the top class.
    :param exposes: where the logits are handed out as well, of a file that ends in probabilities.
    :param signed: whether it has a signature.
    """
    file = _File()
    weights, bias = dense_weights(seed)
    step = None if grid is None else float(np.abs(weights).max()) / 127
    dtype = np.float32 if grid is None else np.int8
    pixels = None if grid is None else INPUT_GRID
    image = file.tensor(IMAGE, (batch, SIZE, SIZE, 3), dtype, pixels)
    shape = file.constant("shape", np.array([batch, weights.shape[1]], np.int32))
    flat = file.tensor("flat", (batch, weights.shape[1]), dtype, pixels)
    file.operator(_OPERATORS.RESHAPE, [image, shape], flat)
    if step is None:
        constants = [file.constant("weights", weights), file.constant("bias", bias)]
    else:
        both = step * INPUT_GRID[0]
        constants = [
            file.constant("weights", np.rint(weights / step).astype(np.int8), (step, 0)),
            file.constant("bias", np.rint(bias / both).astype(np.int32), (both, 0)),
        ]
    last = OUTPUT if ends == "logits" else "logits"
    logits = file.tensor(last, (batch, CLASSES), dtype, grid)
    dense = (schema.BuiltinOptions.FullyConnectedOptions, schema.FullyConnectedOptionsT())
    file.operator(_OPERATORS.FULLY_CONNECTED, [flat, *constants], logits, dense)
    output = logits
    if ends == "posterior":
        real = logits
        if grid is not None:
            real = file.operator(_OPERATORS.DEQUANTIZE, [logits], file.tensor("real", (batch, CLASSES), np.float32))
        softmax = schema.SoftmaxOptionsT()
        softmax.beta = 1.0
        output = file.tensor(OUTPUT, (batch, CLASSES), np.float32)
        file.operator(_OPERATORS.SOFTMAX, [real], output, (schema.BuiltinOptions.SoftmaxOptions, softmax))
    if ends == "top":
        axis = file.constant("axis", np.array([1], np.int32))
        options = schema.ArgMaxOptionsT()
        options.outputType = schema.TensorType.INT32
        output = file.tensor(OUTPUT, (batch,), np.int32)
        file.operator(_OPERATORS.ARG_MAX, [logits, axis], output, (schema.BuiltinOptions.ArgMaxOptions, options))
    handed = [output, logits] if exposes == "output" else [output]
    said = [output, logits] if exposes == "signature" else [output] if signed else []
    return file.finish([image], handed, said)
