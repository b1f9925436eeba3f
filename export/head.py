"""Finding what a classifier ends in, cutting it back to its logits, and attaching a defense there."""

from __future__ import annotations

import math

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head, posterior
from edgeguard.errors import BadModel
from edgeguard.export.found_head import ANSWER, LOGITS, FoundHead, class_count
from edgeguard.export.inference import inferred
from edgeguard.export.names import rename_value, step_aside
from edgeguard.export.onnx_ops import PREFIX, OnnxOps
from edgeguard.export.passes.opset import model_opset
from edgeguard.export.passes.tidy import remove_dead_nodes

__all__ = ["attach", "cut_to_logits", "expose_integer_logits", "find_head"]

# Operators that only change the shape of what they carry, or nothing at all.
_CARRIERS = frozenset({"Identity", "Flatten", "Reshape", "Squeeze", "Dropout"})
_NORMALISERS = frozenset({"Softmax", "LogSoftmax"})
# What stands around the softmax of a quantized network.
_ROUNDERS = frozenset({"QuantizeLinear", "DequantizeLinear"})
# They answer for each class alone: the answers sum to anything.
_INDEPENDENT = frozenset({"Sigmoid", "HardSigmoid", "QLinearSigmoid"})
_FLATTEN = "edgeguard_flatten"


def find_head(model: ModelProto) -> FoundHead[str]:
    """What a classifier with one float output ends in.

    :raises BadModel: there is no classification head, with the reason.
    """
    if len(model.graph.output) != 1:
        names = ", ".join(output.name for output in model.graph.output)
        raise BadModel(
            f"has {len(model.graph.output)} outputs ({names}); a classifier has one",
            fix="Export the network with its logits or probabilities as its only output",
        )
    output = model.graph.output[0]
    if output.type.tensor_type.elem_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(output.type.tensor_type.elem_type).lower()
        raise BadModel(
            f"the output {output.name!r} is {kind}, not float: labels or detections cannot be defended",
            fix="Export the network up to its logits or probabilities",
        )
    shapes = _shapes(model)
    classes = class_count(output.name, shapes.get(output.name), axis=1)
    producers = {name: node for node in model.graph.node for name in node.output}
    value = output.name
    while value in producers and producers[value].op_type in _CARRIERS | _ROUNDERS:
        value = producers[value].input[0]
    node = producers.get(value)
    if node is None:
        raise BadModel(f"the output {output.name!r} is the input itself: there is no network to defend")
    if node.op_type in _INDEPENDENT:
        raise BadModel(
            f"ends in {node.op_type}, one for each class: several may be true at once, so there is no posterior",
            fix="edgeguard defends classifiers whose classes exclude each other",
        )
    if node.op_type == "QLinearSoftmax":
        raise BadModel(
            "ends in a softmax on integers, which leaves no logits to defend",
            fix="Quantize the network again without its softmax (nodes_to_exclude, or QDQ format)",
        )
    if node.op_type not in _NORMALISERS:
        if node.name.startswith(PREFIX):
            raise BadModel(
                "ends in a defense of edgeguard already", fix="Export the network that the defended file was made from"
            )
        return FoundHead("logits", output.name, classes)
    if node.input[0] not in producers:
        raise BadModel(f"its {node.op_type} runs on the input itself: there is no network to defend")
    _check_softmax_axis(node, shapes, classes, model_opset(model))
    return FoundHead("posterior" if node.op_type == "Softmax" else "log-posterior", node.input[0], classes)


def cut_to_logits(model: ModelProto, head: FoundHead[str]) -> ModelProto:
    """A copy that returns its logits, float ``[batch, classes]``, under the name ``logits``.

    What followed them is removed. A trailing ``[batch, classes, 1, 1]`` is flattened.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    shape = _shapes(model).get(head.logits)
    value = head.logits
    for name in (LOGITS, _FLATTEN):
        moved = step_aside(graph, name)
        value = moved if value == name else value
    if shape is not None and len(shape) == 2:
        rename_value(graph, value, LOGITS)
    else:
        graph.node.append(helper.make_node("Flatten", [value], [LOGITS], name=_FLATTEN, axis=1))
    _set_output(graph, LOGITS, TensorProto.FLOAT, _batch_dimension(model), head.classes)
    return remove_dead_nodes(result)


def attach(model: ModelProto, head: Head, defense: Defense | None) -> ModelProto:
    """A copy of a network ending in ``head`` that returns answers under the name ``probabilities``.

    The logits are no output any more: nothing undefended can be read from the file by running it.

    :param defense: ``None`` returns the plain posterior.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    for name in (ANSWER, *_ours(graph)):
        step_aside(graph, name)
    ops = OnnxOps(model_opset(model), head.classes)
    logits = graph.output[0].name
    value = posterior(ops, head, logits) if defense is None else defense.answer(ops, head, logits)
    if value == graph.output[0].name:
        ops.nodes.append(helper.make_node("Identity", [value], [ANSWER], name="edgeguard_identity"))
    else:
        ops.rename(value, ANSWER)
    graph.node.extend(ops.nodes)
    graph.initializer.extend(ops.initializers)
    _set_output(graph, ANSWER, TensorProto.FLOAT, _batch_dimension(model), head.classes)
    return result


def expose_integer_logits(model: ModelProto) -> tuple[ModelProto, Head]:
    """A copy of an int8-head network whose output is the integer tensor before the last dequantization, and its head.

    For host placement: the runtime's post-processor dequantizes, so the graph need not.

    :raises BadModel: the output is not dequantized from uint8 or int8 with one scale.
    """
    producers = {name: node for node in model.graph.node for name in node.output}
    node = producers.get(model.graph.output[0].name)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    if node is None or node.op_type != "DequantizeLinear" or not set(node.input[1:]) <= set(constants):
        raise BadModel("the output is no dequantized integer tensor", fix="Export with --head int8")
    scale, zero_point = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
    if scale.size != 1 or zero_point.dtype.name not in ("uint8", "int8"):
        raise BadModel(f"logits quantized per channel or as {zero_point.dtype} are not supported")
    classes = model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    head = Head(
        "logits", classes, "uint8" if zero_point.dtype.name == "uint8" else "int8", float(scale), int(zero_point)
    )
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    element = TensorProto.UINT8 if head.dtype == "uint8" else TensorProto.INT8
    name = node.input[0]
    graph.node.remove(next(each for each in graph.node if each.output[0] == node.output[0]))
    _forget(graph, LOGITS)
    rename_value(graph, name, LOGITS)
    _set_output(graph, LOGITS, element, _batch_dimension(model), classes)
    return result, head


def _shapes(model: ModelProto) -> dict[str, tuple[int | None, ...]]:
    """Known shapes by value name; unknown dimensions are ``None``."""
    graph = inferred(model)
    shapes: dict[str, tuple[int | None, ...]] = {}
    for entry in (*graph.value_info, *graph.input, *graph.output):
        if entry.type.tensor_type.HasField("shape"):
            shapes[entry.name] = tuple(
                dim.dim_value if dim.HasField("dim_value") else None for dim in entry.type.tensor_type.shape.dim
            )
    return shapes


def _check_softmax_axis(node: NodeProto, shapes: dict[str, tuple[int | None, ...]], classes: int, opset: int) -> None:
    shape = shapes.get(node.input[0])
    flattens = opset < 13
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1 if flattens else -1)
    if shape is None or not -len(shape) <= axis < len(shape):
        return
    # Before operator set 13, softmax ran over everything from its axis on.
    covered = shape[axis % len(shape) :] if flattens else (shape[axis],)
    normalised = math.prod(dim for dim in covered if dim is not None) if None not in covered else None
    if normalised != classes:
        raise BadModel(
            f"{node.op_type} runs over an axis of {normalised}, not over the {classes} classes",
            where=f"node {node.name or node.output[0]!r}",
        )


def _batch_dimension(model: ModelProto) -> int | str:
    dimension = model.graph.input[0].type.tensor_type.shape.dim[0]
    return dimension.dim_value if dimension.HasField("dim_value") else dimension.dim_param or "batch"


def _set_output(graph: GraphProto, name: str, element: int, batch: int | str, classes: int) -> None:
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, element, [batch, classes]))
    _forget(graph, name)


def _ours(graph: GraphProto) -> list[str]:
    """Names that only a defense's tail may have."""
    names = {name for node in graph.node for name in (node.name, *node.input, *node.output)}
    names.update(tensor.name for tensor in graph.initializer)
    return sorted(name for name in names if name.startswith(PREFIX))


def _forget(graph: GraphProto, name: str) -> None:
    """Drop a stale shape note of a value."""
    for entry in [entry for entry in graph.value_info if entry.name == name]:
        graph.value_info.remove(entry)
