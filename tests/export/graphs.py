"""Small ONNX networks, put together by hand, and what to do with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeguard.calibration.collect import collect
from edgeguard.calibration.observers import Range, find_observer
from edgeguard.calibration.sets import array_set
from edgeguard.export.found_head import LOGITS
from edgeguard.export.onnx_graph import OnnxGraph
from edgeguard.export.passes.quantize import probe, quantizable_tensors
from edgeguard.export.prepare import Prepared
from edgeguard.runtimes.ort_session import open_session, run_session

__all__ = ["Array", "build", "count", "measured_ranges", "node", "prepared", "random_inputs", "run"]

Array = np.ndarray[Any, Any]


def node(kind: str, inputs: Iterable[str], output: str, **attributes: Any) -> NodeProto:
    """A node named as its only output, with ``n_`` before it."""
    return helper.make_node(kind, list(inputs), [output], name=f"n_{output}", **attributes)


def build(
    nodes: list[NodeProto],
    constants: dict[str, Array],
    *,
    shape: tuple[int, ...] = (3, 8, 8),
    output: str = LOGITS,
    output_shape: tuple[int | str, ...] = ("batch", 10),
    batch: int | str = "batch",
    opset: int = 20,
    ir_version: int = 9,
    element: int = TensorProto.FLOAT,
) -> ModelProto:
    """A model from ``x``, float ``[batch, *shape]``, to ``output``; the constants keep their types."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info(output, element, list(output_shape))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def run(model: ModelProto, inputs: Array, batch: int | None = None) -> Array:
    """The model's only output."""
    return run_session(open_session(model.SerializeToString()), inputs, batch)


def random_inputs(count: int, shape: tuple[int, ...] = (3, 8, 8), seed: int = 0) -> Array:
    """Standard normal, float32."""
    return np.random.default_rng(seed).standard_normal((count, *shape), np.float32)


def measured_ranges(model: ModelProto, inputs: Array, keep_float: tuple[str, ...] = ()) -> dict[str, Range]:
    """Min-max ranges of everything that quantization needs, the logits included."""
    output = model.graph.output[0].name
    tensors = tuple(dict.fromkeys((*quantizable_tensors(model, keep_float), output)))
    data = array_set(inputs, synthetic=False)
    found = collect(probe(model, tensors), model.graph.input[0].name, tensors, data, find_observer("min-max"))
    return found.ranges


def prepared(model: ModelProto, classes: int = 10) -> Prepared[OnnxGraph]:
    """A network that ends in logits already, as later steps take it."""
    graph = OnnxGraph(model)
    return Prepared("logits", graph, graph.runner(None), classes)


def count(model: ModelProto, kind: str) -> int:
    """Nodes of a kind."""
    return sum(each.op_type == kind for each in model.graph.node)
