"""Small TFLite classifiers, written operator by operator."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeguard.export.tflite.flatbuffer import pack, unpack
from edgeguard.export.tflite.tail import Tail, Value

__all__ = ["CLASSES", "FEATURES", "Operator", "classifier", "edited", "softmax"]

Operator = schema.BuiltinOperator
FEATURES, CLASSES = 6, 4


def softmax(tail: Tail, value: Value, beta: float = 1.0) -> Value:
    """A softmax, as converters write it."""
    options = schema.SoftmaxOptionsT()
    options.beta = beta
    return tail.add(Operator.SOFTMAX, [value], value.shape, options=options)


def classifier(
    *ends: Any, classes: int = CLASSES, shape: tuple[int, ...] | None = None, signature: bool = True
) -> bytes:
    """A dense layer on ``FEATURES`` floats, and what is put behind it.

    :param ends: each from the tail and a value to the next value.
    :param shape: that the layer's output is brought to.
    """
    graph, model = schema.SubGraphT(), schema.ModelT()
    source = schema.TensorT()
    source.name, source.buffer, source.type = b"features", 0, schema.TensorType.FLOAT32
    source.shape = np.array([1, FEATURES], np.int32)
    graph.tensors, graph.operators = [source], []
    graph.inputs = np.array([0], np.int32)
    model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [graph], [], [schema.BufferT()]
    tail = Tail(model, batched=False)
    rng = np.random.default_rng(0)
    held = [
        tail.value(0),
        tail.constant(rng.standard_normal((classes, FEATURES)).astype(np.float32)),
        tail.constant(rng.standard_normal(classes).astype(np.float32)),
    ]
    value = tail.add(Operator.FULLY_CONNECTED, held, (1, classes), options=schema.FullyConnectedOptionsT())
    if shape is not None:
        value = tail.reshape(value, shape)
    for end in ends:
        value = end(tail, value)
    for index, tensor in enumerate(graph.tensors[1:], 1):
        tensor.name = f"network/{index}".encode()
    graph.outputs = np.array([value.index], np.int32)
    model.signatureDefs = [_signature(value.index)]
    return pack(model)


def edited(data: bytes, edit: Any) -> bytes:
    """A file after ``edit`` has changed its model."""
    model = unpack(data)
    edit(model)
    return pack(model)


def _signature(output: int) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = [schema.TensorMapT()], [schema.TensorMapT()]
    signature.inputs[0].name, signature.inputs[0].tensorIndex = b"x", 0
    signature.outputs[0].name, signature.outputs[0].tensorIndex = b"scores", output
    return signature
