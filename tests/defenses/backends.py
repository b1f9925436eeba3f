"""A defense behind a head, on each backend that exists."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head, posterior
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.export.head import attach
from edgeguard.export.tflite.flatbuffer import pack
from edgeguard.export.tflite.head import attach_tflite
from edgeguard.runtimes.litert_session import open_litert
from edgeguard.runtimes.ort_session import open_session

Array = np.ndarray[Any, Any]
Answer = Callable[[Array], Array]

OPSET = 20
_KINDS = {"float32": schema.TensorType.FLOAT32, "uint8": schema.TensorType.UINT8, "int8": schema.TensorType.INT8}
_ELEMENTS = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def numpy_answer(head: Head, defense: Defense | None, dtype: type[np.floating[Any]] = np.float32) -> Answer:
    """The reference implementation, in a float type of choice."""
    ops = NumpyOps(dtype)

    def answer(raw: Array) -> Array:
        return posterior(ops, head, raw) if defense is None else defense.answer(ops, head, raw)

    return answer


@functools.lru_cache(maxsize=64)
def onnx_answer(head: Head, defense: Defense | None, opset: int = OPSET) -> Answer:
    """The exported graph behind a network that passes its input through, run by ONNX Runtime."""
    session = open_session(pass_through(head, defense, opset))
    return lambda raw: np.asarray(session.run(None, {"raw": raw})[0])


def pass_through(head: Head, defense: Defense | None, opset: int = OPSET) -> bytes:
    """The exported graph behind a network that passes its input ``raw`` through, as an ONNX file."""
    element = _ELEMENTS[head.dtype]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["raw"], ["logits"])],
        "pass-through",
        [helper.make_tensor_value_info("raw", element, ["batch", head.classes])],
        [helper.make_tensor_value_info("logits", element, ["batch", head.classes])],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return bytes(attach(network, head, defense).SerializeToString())


def quantized(logits: Array, head: Head) -> Array:
    """Float logits as an integer head holds them."""
    assert head.scale is not None
    assert head.zero_point is not None
    limits = np.iinfo(head.dtype)
    return np.clip(np.rint(logits / head.scale) + head.zero_point, limits.min, limits.max).astype(head.dtype)


@functools.lru_cache(maxsize=64)
def tflite_answer(head: Head, defense: Defense | None) -> Answer:
    """The same as TFLite operators, run by LiteRT."""
    session = open_litert(tflite_pass_through(head, defense))
    return lambda raw: np.concatenate([session.invoke(row[None]) for row in raw])


def tflite_pass_through(head: Head, defense: Defense | None, *, batched: bool = False) -> bytes:
    """The operators behind a network that passes its input through, as a TFLite file.

    :param batched: whether the file says that its batch may be resized.
    """
    tensor = schema.TensorT()
    tensor.name, tensor.buffer, tensor.type = b"raw", 0, _KINDS[head.dtype]
    tensor.shape = np.array([1, head.classes], np.int32)
    if batched:
        tensor.shapeSignature = np.array([-1, head.classes], np.int32)
    if head.scale is not None and head.zero_point is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.array([head.scale], np.float32)
        tensor.quantization.zeroPoint = np.array([head.zero_point], np.int64)
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [tensor], []
    graph.inputs = graph.outputs = np.array([0], np.int32)
    model = schema.ModelT()
    model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [graph], [], [schema.BufferT()]
    return attach_tflite(pack(model), head, defense)
