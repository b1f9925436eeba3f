"""Which tensor of a TFLite model is which value of the ONNX model of the same network.

The two converters name nothing alike, fold and fuse differently, and lay images out differently. What they share is
the numbers: a range depends on nothing but the values that a tensor takes, in whatever order, so two tensors that hold
the same numbers for a few inputs are the same tensor to a calibration table. On ResNet-20 the right value differs by
1e-6 of its largest number, the next best by 0.05 or more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from onnx import ModelProto, NodeProto, TensorProto

from edgeguard.calibration.collect import watch_onnx
from edgeguard.errors import UsageError
from edgeguard.export.inference import inferred
from edgeguard.export.passes.quantize import probe
from edgeguard.export.tflite.flatbuffer import pack, unpack
from edgeguard.export.tflite.watching import watch_tflite

__all__ = ["Matched", "activations", "counterpart", "kept_tensors", "match"]

Array = np.ndarray[Any, Any]

# Of the largest number in a tensor: what reordered float additions may amount to.
_RELATIVE = 1e-4
# What the TFLite converter may have fused into the operator before it.
_FUSED = frozenset({"Relu", "Clip", "BatchNormalization", "Add", "Mul", "Identity", "Reshape", "Flatten", "Transpose"})


@dataclass(frozen=True, slots=True)
class Matched:
    """A float TFLite model whose tensors bear the names of the ONNX values that hold the same numbers.

    :param data: its file's content.
    :param values: by tensor, for every float activation in graph order: all such ONNX values in graph order. None for
        what has no counterpart, or always held one number only, which says nothing.
    """

    data: bytes
    values: Mapping[str, tuple[str, ...]]


def match(data: bytes, model: ModelProto, inputs: Array, batch: int | None) -> Matched:
    """Match the float activations of a TFLite model with the float values of an ONNX model, and name them so.

    :param data: of a model that edgeguard converted, with a batch of 1.
    :param inputs: a few real ones, as the torch network takes them; each is run through both.
    :param batch: the batch size that the ONNX graph is fixed to, if it is.
    """
    tensors, values = activations(data), _float_values(model)
    watch_one = watch_tflite(data, tensors)
    watch_other = watch_onnx(probe(model, values), model.graph.input[0].name, values, batch)
    candidates = {index: list(range(len(values))) for index in tensors}
    telling: set[int] = set()
    # One input at a time: both networks' activations are held at once.
    for one in inputs:
        held = [np.sort(value, axis=None) for value in watch_other(one[None])]
        for index, value in zip(tensors, watch_one(one[None]), strict=True):
            row = np.sort(value, axis=None)
            candidates[index] = [other for other in candidates[index] if _same(row, held[other])]
            if row[0] != row[-1]:
                telling.add(index)
    found = {
        index: tuple(values[other] for other in candidates[index]) if index in telling else () for index in tensors
    }
    return _named(data, found)


def activations(data: bytes) -> tuple[int, ...]:
    """The float tensors of the only graph that are no constants, in graph order, the input first."""
    model = unpack(data)
    graph = model.subgraphs[0]
    order = dict.fromkeys(int(index) for index in graph.inputs)
    order |= dict.fromkeys(int(index) for each in graph.operators for index in (*each.inputs, *each.outputs))
    return tuple(
        index
        for index in order
        if index >= 0
        and graph.tensors[index].type == schema.TensorType.FLOAT32
        and model.buffers[graph.tensors[index].buffer].data is None
    )


def counterpart(matched: Matched, model: ModelProto, node: NodeProto) -> str | None:
    """The tensor whose operator computes what an ONNX node computes, if there is one.

    A node that TFLite has fused with those after it stands for the operator that they became.
    """
    firsts: dict[str, str] = {}
    for tensor, values in matched.values.items():
        for value in values:
            firsts.setdefault(value, tensor)
    value = node.output[0]
    while value not in firsts:
        users = [each for each in model.graph.node if value in each.input]
        if len(users) != 1 or users[0].op_type not in _FUSED:
            return None
        value = users[0].output[0]
    return firsts[value]


def kept_tensors(matched: Matched, model: ModelProto, keep_float: tuple[str, ...]) -> tuple[str, ...]:
    """The tensors whose operators compute what some ONNX nodes compute, for what shall stay in float.

    :param keep_float: names of ONNX nodes.
    :raises UsageError: there is no such node, or no operator that corresponds to it.
    """
    nodes = {node.name: node for node in model.graph.node}
    kept = []
    for name in keep_float:
        if name not in nodes:
            raise UsageError(f"there is no node {name!r} in the network", where="--keep-float")
        tensor = counterpart(matched, model, nodes[name])
        if tensor is None:
            raise UsageError(
                f"the node {name!r} has no counterpart in the TFLite model",
                where="--keep-float",
                fix="Name its neighbours",
            )
        kept.append(tensor)
    return tuple(kept)


def _float_values(model: ModelProto) -> tuple[str, ...]:
    graph = inferred(model)
    known = {
        value.name: value.type.tensor_type.elem_type == TensorProto.FLOAT
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    constants = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in constants]
    names += [name for node in model.graph.node if node.op_type != "Constant" for name in node.output if name]
    return tuple(name for name in names if known.get(name, True))


def _same(one: Array, other: Array) -> bool:
    if one.size != other.size:
        return False
    limit = _RELATIVE * max(abs(float(one[0])), abs(float(one[-1])))
    # The ends tell nearly all pairs apart.
    if abs(float(one[0] - other[0])) > limit or abs(float(one[-1] - other[-1])) > limit:
        return False
    return bool(np.abs(one - other).max() <= limit)


def _named(data: bytes, found: Mapping[int, tuple[str, ...]]) -> Matched:
    """The model with its activations named after their first values, and its constants after what they are for."""
    model = unpack(data)
    graph = model.subgraphs[0]
    names: dict[int, str] = {}
    taken: set[str] = set()

    def name(index: int, wanted: str) -> None:
        if index < 0 or index in names:
            return
        unique = next(each for each in _numbered(wanted) if each not in taken)
        taken.add(unique)
        names[index] = unique

    for index, values in found.items():
        name(index, values[0] if values else "tflite")
    for operator in graph.operators:
        for index in operator.outputs:
            name(int(index), "tflite")
        for index in operator.inputs:
            name(int(index), f"{names[int(operator.outputs[0])]}/constant")
    for index, tensor in enumerate(graph.tensors):
        name(index, "tflite")
        tensor.name = names[index].encode()
    return Matched(pack(model), {names[index]: values for index, values in found.items()})


def _numbered(wanted: str) -> Iterator[str]:
    yield wanted
    number = 2
    while True:
        # Exporters number their values after an underscore.
        yield f"{wanted}:{number}"
        number += 1
