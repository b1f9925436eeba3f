"""What was refined in an int8 ONNX network, in the float TFLite model of the same network.

A refined layer stands for weights that are whole multiples of its scales, and the largest of each output is at the
largest level. Written to the float TFLite model, they give ai-edge-quantizer the same scales, and so the same integers.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from onnx import ModelProto

from edgeguard.export.refining.layers import QuantizedLayer, integer_layers
from edgeguard.export.refining.ranges import tensors_with_scales
from edgeguard.export.tflite.flatbuffer import builtin, pack, unpack
from edgeguard.export.tflite.matching import Matched, counterpart

__all__ = ["Refined", "refined_like"]

Array = np.ndarray[Any, Any]
Operator = schema.BuiltinOperator

# Of the largest weight of an output, and of the largest bias: what folding in another order may amount to.
_RELATIVE = 1e-4
_WEIGHTS, _BIAS = 1, 2


@dataclass(frozen=True, slots=True)
class Refined:
    """A float TFLite model that holds what the integers of an int8 ONNX network stand for.

    :param matched: the model; of the ONNX values that hold the numbers of a tensor, only those that are rounded to a
        scale of their own, where there are any: a search for ranges changes theirs alone.
    :param left: names of the ONNX nodes whose weights no operator holds; the model keeps its own there.
    """

    matched: Matched
    left: tuple[str, ...]


def refined_like(matched: Matched, model: ModelProto, quantized: ModelProto) -> Refined:
    """Write the weights and biases of an int8 ONNX network to the TFLite model of the same network.

    :param matched: with ``model``; ends in float logits.
    :param model: the float ONNX network.
    :param quantized: the int8 network made from it; nodes are called the same in both.
    """
    flat = unpack(matched.data)
    graph = flat.subgraphs[0]
    computed_by = {graph.tensors[each.outputs[0]].name.decode(): each for each in graph.operators}
    nodes = {node.name: node for node in model.graph.node}
    left = []
    for layer in integer_layers(model, quantized):
        operator = computed_by.get(counterpart(matched, model, nodes[layer.name]) or "")
        layout = None if operator is None else _layout(builtin(flat, operator), layer)
        if layout is None or not _computes(flat, operator, layer, layout):
            left.append(layer.name)
            continue
        _put(flat, operator, _WEIGHTS, layout.laid_out(layer.rounded))
        _put(flat, operator, _BIAS, layer.integers.bias * layer.bias_scale)
    return Refined(replace(_with_scales(matched, quantized), data=pack(flat)), tuple(left))


def _with_scales(matched: Matched, quantized: ModelProto) -> Matched:
    owners = set(tensors_with_scales(quantized))
    values = {
        name: tuple(value for value in found if value in owners) or found for name, found in matched.values.items()
    }
    return replace(matched, values=values)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How an operator holds weights that an ONNX layer has as ``[outputs, inputs, height, width]``.

    :param shape: of these, without the outputs.
    :param axes: their order.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]

    def laid_out(self, rows: Array) -> Array:
        """Weights ``[outputs, size]`` as the operator holds them."""
        return rows.reshape(len(rows), *self.shape).transpose(self.axes)


def _layout(kind: int, layer: QuantizedLayer) -> _Layout | None:
    """``None`` for an operator that is not of the layer's kind."""
    size = layer.weight.shape[1]
    if layer.geometry.kernel is None:
        return _Layout((size,), (0, 1)) if kind == Operator.FULLY_CONNECTED else None
    height, width = layer.geometry.kernel
    shape = (size // (height * width), height, width)
    if kind == Operator.DEPTHWISE_CONV_2D:
        return _Layout(shape, (1, 2, 3, 0)) if shape[0] == 1 else None
    return _Layout(shape, (0, 2, 3, 1)) if kind == Operator.CONV_2D else None


def _computes(model: Any, operator: Any, layer: QuantizedLayer, layout: _Layout) -> bool:
    """Whether an operator holds the float weights and the float bias of a layer."""
    weights, bias = (_held(model, operator, position) for position in (_WEIGHTS, _BIAS))
    wanted = layout.laid_out(layer.weight)
    if weights is None or bias is None or weights.shape != wanted.shape or bias.shape != layer.float_bias.shape:
        return False
    allowed = np.broadcast_to(_RELATIVE * np.abs(layer.weight).max(axis=1, keepdims=True), layer.weight.shape)
    off = np.abs(bias - layer.float_bias).max()
    return bool(
        (np.abs(weights - wanted) <= layout.laid_out(allowed)).all()
        and off <= _RELATIVE * np.abs(layer.float_bias).max()
    )


def _held(model: Any, operator: Any, position: int) -> Array | None:
    """A float constant of an operator; ``None`` if there is none."""
    if position >= len(operator.inputs) or operator.inputs[position] < 0:
        return None
    tensor = model.subgraphs[0].tensors[operator.inputs[position]]
    data = model.buffers[tensor.buffer].data
    if data is None or tensor.type != schema.TensorType.FLOAT32:
        return None
    return np.frombuffer(bytes(data), np.float32).reshape(tuple(int(size) for size in tensor.shape))


def _put(model: Any, operator: Any, position: int, values: Array) -> None:
    """Give a constant of an operator another value; whoever shares it keeps the old one."""
    graph = model.subgraphs[0]
    index = int(operator.inputs[position])
    tensor = graph.tensors[index]
    if sum(int(other) == index for each in graph.operators for other in each.inputs) > 1:
        tensor = copy(tensor)
        tensor.name = f"{graph.tensors[operator.outputs[0]].name.decode()}/refined:{position}".encode()
        operator.inputs = np.array(operator.inputs, np.int32)
        operator.inputs[position] = len(graph.tensors)
        graph.tensors.append(tensor)
    if sum(other.buffer == tensor.buffer for other in graph.tensors) > 1:
        tensor.buffer = len(model.buffers)
        model.buffers.append(schema.BufferT())
    model.buffers[tensor.buffer].data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
