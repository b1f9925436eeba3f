"""Finding what a TFLite classifier ends in, cutting it back to its logits, and attaching a defense there."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head, posterior
from edgeguard.errors import BadModel
from edgeguard.export.found_head import ANSWER, LOGITS, FoundHead, class_count
from edgeguard.export.tflite.flatbuffer import builtin, name_of, pack, unpack
from edgeguard.export.tflite.ops import TfliteOps
from edgeguard.export.tflite.tail import PREFIX, Tail
from edgeguard.export.tflite.tidy import tidy

__all__ = ["attach_tflite", "cut_tflite", "expose_tflite_integers", "find_tflite_head", "is_tflite_quantized"]

Operator = schema.BuiltinOperator
Kind = schema.TensorType

# Operators that only change the shape of what they carry, or how its numbers are held.
_CARRIERS = frozenset({Operator.RESHAPE, Operator.SQUEEZE, Operator.QUANTIZE, Operator.DEQUANTIZE})
_NORMALISERS = frozenset({Operator.SOFTMAX, Operator.LOG_SOFTMAX})
_INTEGERS = {Kind.UINT8: "uint8", Kind.INT8: "int8"}
_HELD = frozenset({Kind.FLOAT32, *_INTEGERS})
_WIDER = frozenset({Kind.INT16, Kind.FLOAT16})


def find_tflite_head(data: bytes) -> FoundHead[int]:
    """What a classifier with one output ends in.

    :param data: see :func:`~edgeguard.export.tflite.flatbuffer.unpack`.
    :raises BadModel: there is no classification head, with the reason.
    """
    model = unpack(data)
    graph = model.subgraphs[0]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise BadModel(
            f"has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; a classifier has one of each",
            fix="Convert the network with its logits or probabilities as its only output",
        )
    output = int(graph.outputs[0])
    tensor = graph.tensors[output]
    if tensor.type not in _HELD | _WIDER:
        raise BadModel(
            f"the output {_name(tensor)!r} is {_type_name(tensor)}: labels or detections cannot be defended",
            fix="Convert the network up to its logits or probabilities",
        )
    classes = class_count(_name(tensor), tuple(int(size) for size in tensor.shape), axis=-1)
    taken, returned = (int(graph.tensors[index].shape[0]) for index in (int(graph.inputs[0]), output))
    if taken != returned:
        raise BadModel(f"the network returns {returned} rows for a batch of {taken}, not one for each input")
    producers = _producers(graph)
    value = output
    while value in producers and builtin(model, producers[value]) in _CARRIERS:
        value = int(producers[value].inputs[0])
    if value not in producers:
        raise BadModel(f"the output {_name(tensor)!r} is the input itself: there is no network to defend")
    node = producers[value]
    kind = builtin(model, node)
    if kind == Operator.LOGISTIC:
        raise BadModel(
            "ends in LOGISTIC, one for each class: several may be true at once, so there is no posterior",
            fix="edgeguard defends classifiers whose classes exclude each other",
        )
    if kind not in _NORMALISERS:
        if _name(tensor) == ANSWER and any(_name(each).startswith(PREFIX) for each in graph.tensors):
            raise BadModel(
                "ends in a defense of edgeguard already", fix="Export the network that the defended file was made from"
            )
        return FoundHead("logits", output, classes)
    logits = int(node.inputs[0])
    if logits not in producers:
        raise BadModel(f"its {name_of(kind)} runs on the input itself: there is no network to defend")
    width = int(graph.tensors[logits].shape[-1])
    if width != classes:
        raise BadModel(f"{name_of(kind)} runs over an axis of {width}, not over the {classes} classes")
    beta = node.builtinOptions.beta if kind == Operator.SOFTMAX and node.builtinOptions else 1.0
    if beta != 1:
        raise BadModel(f"its SOFTMAX has a beta of {beta:g}", fix="Convert the network with a beta of 1")
    return FoundHead("posterior" if kind == Operator.SOFTMAX else "log-posterior", logits, classes)


def cut_tflite(data: bytes, head: FoundHead[int]) -> bytes:
    """The network up to its logits, float ``[batch, classes]``, which it returns under the name ``logits``."""
    model = unpack(data)
    graph = model.subgraphs[0]
    tensor = graph.tensors[head.logits]
    if tensor.type not in _HELD | _WIDER:
        raise BadModel(f"its logits are {_type_name(tensor)}, which no defense takes")
    batch = int(graph.tensors[int(graph.outputs[0])].shape[0])
    tail = _tail(model, head.logits)
    value = tail.value(head.logits)
    if len(value.shape) != 2:
        value = tail.reshape(value, (batch, head.classes))
    if tensor.type != Kind.FLOAT32:
        value = tail.add(Operator.DEQUANTIZE, [value], value.shape)
    _end_in(model, value.index, LOGITS)
    return pack(model)


def expose_tflite_integers(data: bytes) -> tuple[bytes, Head]:
    """A network ending in float logits, ending instead in the integers that they are dequantized from, and its head.

    :raises BadModel: they are not dequantized from uint8 or int8 with one scale.
    """
    model = unpack(data)
    graph = model.subgraphs[0]
    output = int(graph.outputs[0])
    node = _producers(graph).get(output)
    if node is None or builtin(model, node) != Operator.DEQUANTIZE:
        raise BadModel("the output is no dequantized integer tensor", fix="Export with --head int8")
    index = int(node.inputs[0])
    tensor = graph.tensors[index]
    tail = _tail(model, index)
    grid = tail.grid(tail.value(index))
    if tensor.type not in _INTEGERS or grid is None:
        raise BadModel(f"logits quantized per channel or as {_type_name(tensor)} are not supported")
    classes = int(graph.tensors[output].shape[-1])
    dtype: Literal["uint8", "int8"] = "uint8" if tensor.type == Kind.UINT8 else "int8"
    _end_in(model, index, LOGITS)
    return pack(model), Head("logits", classes, dtype, float(grid[0]), grid[1])


def attach_tflite(data: bytes, head: Head, defense: Defense | None) -> bytes:
    """A network ending in ``head``, returning answers under the name ``probabilities``.

    The logits are no output any more: nothing undefended can be read from the file by running it.

    :param defense: ``None`` returns the plain posterior.
    """
    model = unpack(data)
    output = int(model.subgraphs[0].outputs[0])
    tail = _tail(model, output)
    ops, logits = TfliteOps(tail), tail.value(output)
    answer = posterior(ops, head, logits) if defense is None else defense.answer(ops, head, logits)
    _end_in(model, answer.index, ANSWER)
    return pack(model)


def is_tflite_quantized(data: bytes) -> bool:
    """Whether any operator of the network computes on integers."""
    model = unpack(data)
    tensors = model.subgraphs[0].tensors
    return any(
        tensors[int(operator.outputs[0])].type in (*_INTEGERS, Kind.INT16)
        for operator in model.subgraphs[0].operators
        if operator.outputs is not None and len(operator.outputs)
    )


def _tail(model: Any, output: int) -> Tail:
    signature = model.subgraphs[0].tensors[output].shapeSignature
    return Tail(model, batched=signature is not None and len(signature) > 0 and int(signature[0]) == -1)


def _end_in(model: Any, index: int, name: str) -> None:
    """Make a tensor the only output, of the graph and of its signatures."""
    graph = model.subgraphs[0]
    before = int(graph.outputs[0])
    graph.outputs = np.array([index], np.int32)
    graph.tensors[index].name = name.encode()
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == 0:
            for entry in signature.outputs or ():
                if int(entry.tensorIndex) == before:
                    entry.tensorIndex = index
    tidy(model)


def _producers(graph: Any) -> dict[int, Any]:
    return {
        int(index): operator
        for operator in graph.operators
        if operator.outputs is not None
        for index in operator.outputs
    }


def _name(tensor: Any) -> str:
    return "" if tensor.name is None else tensor.name.decode(errors="replace")


def _type_name(tensor: Any) -> str:
    names: dict[int, str] = {value: name for name, value in vars(Kind).items() if isinstance(value, int)}
    return names.get(tensor.type, "of unknown type").lower()
