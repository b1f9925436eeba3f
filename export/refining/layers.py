"""The layers of a quantized ONNX network: their integers beside the float weights that these stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeguard.export.refining.geometry import Geometry, geometry_of

__all__ = ["Integers", "QuantizedLayer", "integer_layers", "limit_of", "rewritten"]

Array = np.ndarray[Any, Any]

_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True)
class Integers:
    """What a layer holds.

    :param levels: int8 ``[outputs, size]``, the weights in steps of their scale.
    :param bias: int32 ``[outputs]``, in steps of input scale times weight scale.
    """

    levels: Array
    bias: Array


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedLayer:
    """A convolution or matrix product with integer weights and bias.

    :param source: the float network's value that its input is quantized from.
    :param input: the quantized network's value that is its input, dequantized.
    :param weight: of the float network, float64 ``[outputs, size]``.
    :param float_bias: of the float network, float64 ``[outputs]``.
    :param scale: of the weights, float64 ``[outputs]``.
    :param bias_scale: float64 ``[outputs]``.
    :param axis: along which its constant holds the outputs.
    :param constants: names of the constants that hold levels and bias.
    """

    name: str
    source: str
    input: str
    geometry: Geometry
    weight: Array
    float_bias: Array
    scale: Array
    bias_scale: Array
    integers: Integers
    axis: Literal[0, 1]
    constants: tuple[str, str]

    @property
    def rounded(self) -> Array:
        """The weights that its levels stand for, float64 ``[outputs, size]``."""
        weights: Array = self.integers.levels * self.scale[:, None]
        return weights

    def holding(self, levels: Array, bias: Array) -> Integers:
        """Integers for it.

        :param levels: ``[outputs, size]``, whole numbers.
        :param bias: in the units of its outputs, ``[outputs]``.
        """
        steps = np.clip(np.rint(bias / self.bias_scale), _INT32.min, _INT32.max)
        return Integers(levels.astype(np.int8), steps.astype(np.int32))


def integer_layers(network: ModelProto, quantized: ModelProto) -> tuple[QuantizedLayer, ...]:
    """The layers of a quantized network whose integers may be chosen otherwise, in graph order.

    Left out is what has no bias, shares its constants with another layer, or is computed in an unusual way.

    :param network: the float network that it was made from; nodes are called the same in both.
    """
    held = {tensor.name: tensor for tensor in network.graph.initializer}
    originals = {node.name: node for node in network.graph.node}
    integers = _Quantized.of(quantized)
    uses = Counter(name for node in quantized.graph.node for name in node.input)
    layers = []
    for node in quantized.graph.node:
        original = originals.get(node.name)
        if original is None or len(node.input) != 3 or any(uses[name] > 1 for name in node.input[1:]):
            continue
        if len(original.input) == 3 and original.input[1] in held and original.input[2] in held:
            layer = _layer(original, held, node, integers)
            if layer is not None:
                layers.append(layer)
    return tuple(layers)


def limit_of(layer: QuantizedLayer) -> int:
    """The largest level of a layer's weights: rounding them otherwise must not leave their range."""
    return int(np.abs(layer.integers.levels.astype(np.int64)).max(initial=1))


def rewritten(quantized: ModelProto, changes: Iterable[tuple[QuantizedLayer, Integers]]) -> ModelProto:
    """The network with other integers in some of its layers."""
    result = ModelProto()
    result.CopyFrom(quantized)
    held = {tensor.name: tensor for tensor in result.graph.initializer}
    for layer, integers in changes:
        levels = integers.levels if layer.axis == 0 else integers.levels.T
        for name, values in zip(layer.constants, (levels, integers.bias), strict=True):
            shaped = np.ascontiguousarray(values).reshape(held[name].dims)
            held[name].CopyFrom(numpy_helper.from_array(shaped, name))
    return result


@dataclass(frozen=True, slots=True)
class _Quantized:
    held: Mapping[str, TensorProto]
    dequantizers: Mapping[str, NodeProto]
    quantizers: Mapping[str, NodeProto]

    @classmethod
    def of(cls, model: ModelProto) -> _Quantized:
        nodes = model.graph.node
        return cls(
            {tensor.name: tensor for tensor in model.graph.initializer},
            {node.output[0]: node for node in nodes if node.op_type == "DequantizeLinear"},
            {node.output[0]: node for node in nodes if node.op_type == "QuantizeLinear"},
        )

    def array(self, name: str) -> Array:
        return np.asarray(numpy_helper.to_array(self.held[name]))


def _layer(
    original: NodeProto, held: Mapping[str, TensorProto], node: NodeProto, integers: _Quantized
) -> QuantizedLayer | None:
    dequantizers = [integers.dequantizers.get(name) for name in node.input]
    source = None if dequantizers[0] is None else integers.quantizers.get(dequantizers[0].input[0])
    if source is None or dequantizers[1] is None or dequantizers[2] is None:
        return None
    weight = np.asarray(numpy_helper.to_array(held[original.input[1]]), np.float64)
    geometry = geometry_of(original, weight.shape)
    if geometry is None:
        return None
    axis = _axis(original)
    names = dequantizers[1].input[0], dequantizers[2].input[0]
    levels, bias = (integers.array(name) for name in names)
    outputs = weight.shape[axis]
    scale = np.broadcast_to(integers.array(dequantizers[1].input[1]).astype(np.float64).reshape(-1), outputs)
    bias_scale = np.broadcast_to(integers.array(dequantizers[2].input[1]).astype(np.float64).reshape(-1), outputs)
    return QuantizedLayer(
        name=node.name,
        source=original.input[0],
        input=node.input[0],
        geometry=geometry,
        weight=_rows(weight, axis),
        float_bias=np.asarray(numpy_helper.to_array(held[original.input[2]]), np.float64).reshape(-1),
        scale=scale,
        bias_scale=bias_scale,
        integers=Integers(_rows(levels, axis), bias.reshape(-1)),
        axis=axis,
        constants=names,
    )


def _axis(node: NodeProto) -> Literal[0, 1]:
    if node.op_type == "Conv":
        return 0
    found = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return 0 if found.get("transB") else 1


def _rows(values: Array, axis: Literal[0, 1]) -> Array:
    return values.reshape(len(values), -1) if axis == 0 else values.T
