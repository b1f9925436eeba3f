"""Shape and type inference that does not copy the weights: they are most of a model and say nothing but their shape."""

from __future__ import annotations

import math

from onnx import GraphProto, ModelProto, helper, shape_inference

__all__ = ["inferred"]

# Constants up to this size may be shapes, axes or sizes, whose values matter.
_SMALL = 1024


def inferred(model: ModelProto) -> GraphProto:
    """A graph with the values' types and shapes, as far as they can be inferred; large constants are inputs of it.

    :raises Exception: whatever onnx raises for a graph that contradicts itself.
    """
    light = ModelProto()
    light.ir_version = max(model.ir_version, 4)
    light.opset_import.extend(model.opset_import)
    graph = light.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    for field in ("input", "output", "value_info"):
        getattr(graph, field).extend(getattr(model.graph, field))
    listed = {value.name for value in graph.input}
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= _SMALL:
            graph.initializer.append(tensor)
        elif tensor.name not in listed:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    result: GraphProto = shape_inference.infer_shapes(light, data_prop=True).graph
    return result
