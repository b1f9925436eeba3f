"""Keeping ONNX Runtime from quantizing what was left in float.

From 1.21 on its graph optimization quantizes the weights of a float Conv, ConvTranspose or Gemm between
DequantizeLinear and QuantizeLinear, per tensor and whatever that costs (onnxruntime#22969; from 1.23 on also with Relu
or Clip between, onnxruntime#25673): a layer that was kept in float for its accuracy would run in int8 all the same, and
worse than ours. A device runs the file with whatever runtime and options it has, so the graph itself must prevent it.

A LeakyRelu of slope 1, which changes nothing, is no part of that pattern; ONNX Runtime runs it within the layer's
kernel.
"""

from __future__ import annotations

from onnx import ModelProto, helper

__all__ = ["FENCE", "fence"]

# Ends the name of a node that only keeps others apart.
FENCE = "/stays_float"
_QUANTIZED_AGAIN = frozenset({"Conv", "ConvTranspose", "Gemm"})


def fence(model: ModelProto) -> ModelProto:
    """Put a fence behind every float layer that reads dequantized values; in place."""
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    taken = {*producers, *constants, *(node.name for node in graph.node)}
    ends = {output.name for output in graph.output}
    for node in list(graph.node):
        source = producers.get(node.input[0]) if node.input else None
        if (
            node.op_type not in _QUANTIZED_AGAIN
            or source is None
            or source.op_type != "DequantizeLinear"
            or node.input[1] not in constants
            or node.output[0] in ends
        ):
            continue
        output = node.output[0]
        inner = f"{output}{FENCE}"
        while inner in taken:
            inner = f"_{inner}"
        taken.add(inner)
        node.output[0] = inner
        graph.node.append(helper.make_node("LeakyRelu", [inner], [output], name=inner, alpha=1.0))
    return model
