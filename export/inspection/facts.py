"""What an ONNX file says about each of its layers, and what ONNX Runtime makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeguard.export.checks.integer import kernels_of
from edgeguard.export.layers import WRAPPERS, Layer, layers_of

__all__ = ["LayerFacts", "OutputGrid", "dequantized_weights", "onnx_facts", "output_grid"]

# Where operators that quantize their own output have its scale; the zero point follows.
_OUTPUT_SCALE = {"QLinearConv": 6, "QLinearMatMul": 6, "QGemm": 7}


@dataclass(frozen=True, slots=True)
class OutputGrid:
    """The grid that a layer's output is rounded to.

    :param tensor: the value that holds the integers.
    :param low: the lowest number on the grid; ``high`` is the highest.
    """

    tensor: str
    scale: float
    zero_point: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """A layer of a file, whatever its format.

    :param name: of its node, as ``--keep-float`` takes it; of its output in TFLite, whose operators have none.
    :param kind: its operator.
    :param kernel: what the runtime runs for it; ``None`` if optimization left nothing of that name.
    :param integer: whether that computes in integers.
    :param macs: multiply-accumulates for one input.
    :param weight_bytes: of its weights in the file, without the bias.
    :param grid: of its output; ``None`` where that stays in float.
    """

    name: str
    kind: str
    kernel: str | None
    integer: bool | None
    macs: int | None
    weight_bytes: int
    grid: OutputGrid | None


def onnx_facts(model: ModelProto, batch: int | None) -> tuple[LayerFacts, ...]:
    """Of every layer, in graph order; a defense's own nodes are none.

    :param batch: what the graph is fixed to, or ``None``.
    :raises BadModel: ONNX Runtime refuses the model.
    """
    kernels = {each.name: each for each in kernels_of(model) if each.name}
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    found = []
    for layer in layers_of(model):
        kernel = kernels.get(layer.name)
        found.append(
            LayerFacts(
                layer.name,
                layer.kind,
                None if kernel is None else kernel.kind,
                None if kernel is None else kernel.integer,
                None if kernel is None else kernel.macs // (batch or 1),
                _size(tensors[layer.weights]),
                output_grid(model, layer),
            )
        )
    return tuple(found)


def output_grid(model: ModelProto, layer: Layer) -> OutputGrid | None:
    """The grid of a layer's output, if it is rounded to one."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    own = next(node for node in model.graph.node if layer.value in node.output)
    readers = [node for node in model.graph.node if layer.output in node.input]
    rounded = next((node for node in readers if node.op_type == "QuantizeLinear"), None)
    position = _OUTPUT_SCALE.get(own.op_type)
    if rounded is not None:
        return _grid(constants, rounded.output[0], rounded, 1)
    if position is not None and position < len(own.input) and own.input[position]:
        return _grid(constants, own.output[0], own, position)
    return None


def _grid(constants: dict[str, TensorProto], tensor: str, node: NodeProto, position: int) -> OutputGrid | None:
    names = node.input[position : position + 2]
    if not all(name in constants for name in names):
        return None
    scale: np.ndarray[Any, Any] = numpy_helper.to_array(constants[names[0]])
    zero = numpy_helper.to_array(constants[names[1]]) if len(names) > 1 else np.zeros((), np.uint8)
    if scale.size != 1 or zero.dtype.kind not in "iu":
        return None
    step, origin, limits = float(scale.item()), int(zero.item()), np.iinfo(zero.dtype)
    return OutputGrid(tensor, step, origin, (int(limits.min) - origin) * step, (int(limits.max) - origin) * step)


def _size(tensor: TensorProto) -> int:
    return int(math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def dequantized_weights(model: ModelProto, layer: Layer) -> np.ndarray[Any, Any]:
    """A layer's weights as numbers, as its node takes them but for their axes' order.

    :returns: float32; of weights in float the weights themselves.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    weights = numpy_helper.to_array(constants[layer.weights])
    readers = [node for node in model.graph.node if layer.weights in node.input and node.op_type in WRAPPERS]
    wrapper = next((node for node in readers if node.op_type == "DequantizeLinear"), None)
    if wrapper is not None:
        names, axis = wrapper.input[1:3], _axis(wrapper)
    else:
        own = next(node for node in model.graph.node if layer.value in node.output)
        if not own.op_type.startswith("Q"):
            return weights.astype(np.float32)
        names, axis = own.input[4:6], _channels(own, weights.ndim)
    scale, zero = (numpy_helper.to_array(constants[name]).astype(np.float32) for name in names)
    shape = [-1 if index == axis else 1 for index in range(weights.ndim)]
    steps = weights.astype(np.float32) - (zero.reshape(shape) if zero.size > 1 else zero.reshape(()))
    result: np.ndarray[Any, Any] = steps * (scale.reshape(shape) if scale.size > 1 else scale.reshape(()))
    return result


def _channels(node: NodeProto, axes: int) -> int:
    """The axis of a layer's weights that its outputs lie along."""
    turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return 0 if turned or "Conv" in node.op_type else axes - 1


def _axis(node: NodeProto) -> int:
    found: int = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
    return found
