"""A defense behind a head, on each backend that exists."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head, posterior
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.export.head import attach
from edgeguard.runtimes.ort_session import open_session

Array = np.ndarray[Any, Any]
Answer = Callable[[Array], Array]

OPSET = 20
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
