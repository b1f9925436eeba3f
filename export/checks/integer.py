"""Is an int8 file really int8, and does it really run in integers?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from edgeguard.errors import GuardFailed
from edgeguard.export.layers import WEIGHT_INPUT, WRAPPERS
from edgeguard.export.passes.fold import optimized
from edgeguard.runtimes.ort_session import open_session

__all__ = ["Kernel", "check_really_int8", "check_stays_float", "integer_mac_share", "kernels_of"]

_INTEGER = frozenset({"QLinearConv", "ConvInteger", "QGemm", "QLinearMatMul", "MatMulInteger", "MatMulIntegerToFloat"})
_FLOAT = frozenset({"Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"})
_INTEGER_TYPES = (TensorProto.INT8, TensorProto.UINT8)
# Below this, names and shapes outweigh the weights and the size of a file says nothing.
_SMALL = 64 * 1024


@dataclass(frozen=True, slots=True)
class Kernel:
    """What ONNX Runtime runs for a node with weights.

    :param name: of the node, which optimization keeps.
    :param kind: the operator that runs.
    :param macs: multiply-accumulates of one run.
    """

    name: str
    kind: str
    integer: bool
    macs: int


def check_really_int8(before: ModelProto, after: ModelProto) -> None:
    """Some weights are 8-bit integers, and the file shrank accordingly (ultralytics#17158, #4709, nncf#1936).

    :raises GuardFailed: they are not, or it did not.
    """
    # Scales and zero points are integers too; weights are what gets dequantized.
    dequantized = {node.input[0] for node in after.graph.node if node.op_type == "DequantizeLinear"}
    sizes = {True: 0, False: 0}
    for tensor in after.graph.initializer:
        sizes[tensor.name in dequantized and tensor.data_type in _INTEGER_TYPES] += math.prod(tensor.dims)
    if not sizes[True]:
        raise GuardFailed("no weight was quantized: the file would be int8 in name only (nncf#1936)")
    quantized_bytes, float_bytes = after.ByteSize(), before.ByteSize()
    if float_bytes > _SMALL and sizes[False] < sizes[True] and quantized_bytes > 0.6 * float_bytes:
        raise GuardFailed(
            f"the int8 file has {quantized_bytes} bytes, the float one {float_bytes}: it is no int8 file "
            "(ultralytics#17158)"
        )


def check_stays_float(model: ModelProto, kept: tuple[str, ...]) -> None:
    """ONNX Runtime runs the nodes that were kept in float in float (onnxruntime#22969 quantizes them again).

    :raises GuardFailed: it does not.
    """
    if not kept:
        return
    for each in kernels_of(model):
        if each.name in kept and each.integer:
            raise GuardFailed(
                f"was kept in float, and ONNX Runtime makes a {each.kind} of it all the same (onnxruntime#22969)",
                where=f"node {each.name!r}",
                fix="Please report it",
            )


def integer_mac_share(model: ModelProto) -> float:
    """Share of multiply-accumulates in integer kernels, 0..1, in the graph that ONNX Runtime makes of a model.

    See :func:`kernels_of`; islands nobody noticed are onnxruntime#12487, #21496.
    """
    found = kernels_of(model)
    total = sum(each.macs for each in found)
    return sum(each.macs for each in found if each.integer) / total if total else 0.0


def kernels_of(model: ModelProto) -> tuple[Kernel, ...]:
    """The kernels with weights, in the order of the graph that ONNX Runtime makes of a model.

    Output shapes are those of a real run on zeros: a batch of 1, or of what the graph is fixed to.

    :raises BadModel: ONNX Runtime refuses the model.
    """
    graph_model = optimized(model, extended=True)
    nodes = [node for node in graph_model.graph.node if node.op_type in _INTEGER | _FLOAT]
    if not nodes:
        return ()
    dims = {tensor.name: tuple(tensor.dims) for tensor in graph_model.graph.initializer}
    producers = {name: node for node in graph_model.graph.node for name in node.output}
    shapes = _output_shapes(graph_model, [node.output[0] for node in nodes])
    found = []
    for node in nodes:
        weight = node.input[WEIGHT_INPUT[node.op_type]]
        # A layer that is no integer kernel may hold its weights as integers all the same, and dequantize them.
        while weight in producers and producers[weight].op_type in WRAPPERS:
            weight = producers[weight].input[0]
        if weight in dims:
            output = shapes[node.output[0]]
            macs = math.prod(output) * math.prod(dims[weight]) / _per_weight(node, dims[weight], output)
            found.append(Kernel(node.name, node.op_type, node.op_type in _INTEGER, round(macs)))
    return tuple(found)


def _per_weight(node: NodeProto, weight: tuple[int, ...], output: tuple[int, ...]) -> int:
    """How many outputs each weight does not serve: one per channel, and per position where a stride spreads them."""
    if node.op_type == "ConvTranspose":
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        return int(weight[1] * attributes.get("group", 1) * math.prod(attributes.get("strides", (1,))))
    return weight[0] if "Conv" in node.op_type else output[-1]


def _output_shapes(model: ModelProto, names: list[str]) -> dict[str, tuple[int, ...]]:
    present = {value.name for value in model.graph.output}
    model.graph.output.extend(ValueInfoProto(name=name) for name in names if name not in present)
    session = open_session(model.SerializeToString(), optimize=False)
    source = session.get_inputs()[0]
    zeros = np.zeros([dim if isinstance(dim, int) else 1 for dim in source.shape], np.float32)
    return {name: value.shape for name, value in zip(names, session.run(names, {source.name: zeros}), strict=True)}
