"""What stays in float together with the layers that are kept there.

An operator between a float layer and the next int8 one can run on either side of the rounding. Quantizing it makes an
island of it (onnxruntime#12487, #21496): values are rounded before it and again after it, for a kernel that saves
nothing.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

__all__ = ["left_float"]

# Computed on each number by itself, and as cheap in float.
_ELEMENTWISE = frozenset({"Relu", "Clip", "LeakyRelu", "Sigmoid", "Add", "Mul"})
# What moves numbers around, or pools them: in int8 it moves a quarter of the bytes, so it stays where its readers are.
_CARRIERS = frozenset(
    {"AveragePool", "GlobalAveragePool", "MaxPool", "Concat", "Reshape", "Flatten", "Transpose", "Squeeze"}
    | {"Unsqueeze", "Slice", "Pad", "Resize"}
)


def left_float(model: ModelProto, kept: tuple[str, ...]) -> frozenset[str]:
    """Names of the nodes that stay in float: those that are ``kept``, and what would be an island.

    Of operators without weights whose inputs are all computed in float, by a kept layer or by what stays with it: those
    on single numbers, and those that move numbers to float readers only.
    """
    if not kept:
        return frozenset()
    nodes = list(model.graph.node)
    constants = {tensor.name for tensor in model.graph.initializer}
    constants |= {name for node in nodes if node.op_type == "Constant" for name in node.output}
    producers = {name: node.name for node in nodes for name in node.output}
    readers: dict[str, list[str]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node.name)
    # The largest set that supports itself: begin with all candidates, and drop what has an int8 neighbour.
    found = set(kept) | {node.name for node in nodes if node.op_type in _ELEMENTWISE | _CARRIERS and node.name}

    def stays(node: NodeProto) -> bool:
        given = [name for name in node.input if name and name not in constants]
        if not given or any(producers.get(name) not in found for name in given):
            return False
        after = [reader for name in node.output for reader in readers.get(name, ())]
        return node.op_type in _ELEMENTWISE or found.issuperset(after)

    while True:
        dropped = {node.name for node in nodes if node.name in found and node.name not in kept and not stays(node)}
        if not dropped:
            return frozenset(found)
        found -= dropped
