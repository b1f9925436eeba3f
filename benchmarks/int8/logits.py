"""What a quantized file answers, by the one runtime that judges them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto

from edgeguard.runtimes.ort_session import open_session

__all__ = ["ending_in_logits", "logits_of"]

Array = np.ndarray[Any, Any]

_BLOCK = 50


def ending_in_logits(model: ModelProto) -> ModelProto:
    """The network ending in float logits that nothing rounds; in place.

    Takes a softmax off its end, and a pair of QuantizeLinear, DequantizeLinear: so that all have one kind of head.
    """
    last = _producer(model, model.graph.output[0].name)
    if last.op_type == "Softmax":
        _end_in(model, last.input[0], [last])
        last = _producer(model, model.graph.output[0].name)
    if last.op_type == "DequantizeLinear":
        rounding = _producer(model, last.input[0])
        if rounding.op_type == "QuantizeLinear":
            _end_in(model, rounding.input[0], [rounding, last])
    return model


def logits_of(path: Path, inputs: Array) -> Array:
    """Float32 ``[n, classes]`` on one thread.

    :raises BadModel: ONNX Runtime refuses the model.
    """
    session = open_session(path)
    port = session.get_inputs()[0]
    block = port.shape[0] if isinstance(port.shape[0], int) else _BLOCK
    starts = range(0, len(inputs), block)
    return np.concatenate([session.run(None, {port.name: np.asarray(inputs[s : s + block])})[0] for s in starts])


def _producer(model: ModelProto, name: str) -> NodeProto:
    found: NodeProto = next(node for node in model.graph.node if name in node.output)
    return found


def _end_in(model: ModelProto, name: str, surplus: list[NodeProto]) -> None:
    """Make a tensor the output, under its own name, without the nodes after it."""
    for node in surplus:
        model.graph.node.remove(node)
    if any(name in node.input for node in model.graph.node):
        raise ValueError(f"{name} has other readers than the end of the network")
    model.graph.output[0].name = name
    kept = [info for info in model.graph.value_info if info.name != name]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
    onnx.checker.check_model(model)
