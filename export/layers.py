"""The layers of an ONNX network: its nodes with weights, in float, in QDQ form or in QOperator form."""

from __future__ import annotations

from dataclasses import dataclass

from onnx import ModelProto, NodeProto

from edgeguard.export.onnx_ops import PREFIX
from edgeguard.export.passes.fence import FENCE

__all__ = ["FUSED", "WEIGHT_INPUT", "WRAPPERS", "Layer", "layers_of"]

# Position of the weights among a node's inputs, by operator.
WEIGHT_INPUT = (
    dict.fromkeys(("Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"), 1)
    | dict.fromkeys(("ConvInteger", "MatMulInteger", "MatMulIntegerToFloat"), 1)
    | dict.fromkeys(("QLinearConv", "QGemm", "QLinearMatMul"), 3)
)
# What stands between a constant and the node that it weighs.
WRAPPERS = frozenset({"DequantizeLinear", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Cast"})
# Quantization makes them a part of the layer before them: they only cut off what its range leaves out.
FUSED = frozenset({"Relu", "Clip"})


@dataclass(frozen=True, slots=True)
class Layer:
    """A node with weights, and the activations that are a part of it.

    :param name: of the node, which ``--keep-float`` takes; of its output where a file from elsewhere names none.
    :param kind: its operator.
    :param weights: the constant that holds them.
    :param value: what the node itself gives.
    :param output: the value that it ends in, after its activations.
    :param activations: names of the nodes between.
    """

    name: str
    kind: str
    weights: str
    value: str
    output: str
    activations: tuple[str, ...] = ()


def layers_of(model: ModelProto) -> tuple[Layer, ...]:
    """Every layer in graph order; a defense's own nodes are none."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    ends = {output.name for output in graph.output}
    found = []
    for node in graph.node:
        weights = _weights(node, producers, constants)
        if weights is None or node.name.startswith(PREFIX):
            continue
        output, activations = node.output[0], []
        while output not in ends and [_belongs(each) for each in readers.get(output, ())] == [True]:
            (after,) = readers[output]
            activations.append(after.name)
            output = after.output[0]
        value = node.output[0]
        found.append(Layer(node.name or value, node.op_type, weights, value, output, tuple(activations)))
    return tuple(found)


def _belongs(node: NodeProto) -> bool:
    return node.op_type in FUSED or (node.op_type == "LeakyRelu" and node.name.endswith(FENCE))


def _weights(node: NodeProto, producers: dict[str, NodeProto], constants: set[str]) -> str | None:
    position = WEIGHT_INPUT.get(node.op_type)
    if position is None or position >= len(node.input):
        return None
    name: str = node.input[position]
    while name in producers and producers[name].op_type in WRAPPERS:
        name = producers[name].input[0]
    return name if name in constants else None
