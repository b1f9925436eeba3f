"""What becomes of a float network's outputs once one of its values is rounded to a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from edgeguard.defenses.head import Grid
from edgeguard.runtimes.ort_session import open_session

__all__ = ["Aftermath", "aftermath_of"]

Array = np.ndarray[Any, Any]

_PREFIX = "edgeguard/aftermath/"
_SCALE, _ZERO, _LEVELS, _ROUNDED = (f"{_PREFIX}{name}" for name in ("scale", "zero", "levels", "rounded"))


@dataclass(frozen=True, slots=True, eq=False)
class Aftermath:
    """The nodes from a value to the network's outputs, runnable with the value rounded.

    :param value: the value's name.
    :param others: other values of the network that these nodes take.
    :param outputs: the network's outputs that they lead to.
    :param session: an ``onnxruntime.InferenceSession``.
    """

    value: str
    others: tuple[str, ...]
    outputs: tuple[str, ...]
    session: Any

    def errors(self, values: Mapping[str, Array], grids: Sequence[Grid]) -> Array:
        """Squared error summed over all outputs, float64 with one entry a grid.

        :param values: of the float network, for a block of inputs.
        """
        fed = {name: values[name] for name in (self.value, *self.others)}
        sums = np.zeros(len(grids))
        for index, grid in enumerate(grids):
            rounding = {_SCALE: np.array(grid.scale, np.float32), _ZERO: np.array(grid.zero, np.int8)}
            found = self.session.run(self.outputs, {**fed, **rounding})
            for name, each in zip(self.outputs, found, strict=True):
                sums[index] += np.square(each - values[name], dtype=np.float64).sum()
        return sums


def aftermath_of(network: ModelProto, value: str) -> Aftermath | None:
    """The aftermath of a value; ``None`` if nothing follows it.

    :param network: float, its nodes in order.
    :raises BadModel: ONNX Runtime refuses this part of it.
    """
    graph = network.graph
    reached, nodes = {value}, []
    for node in graph.node:
        if reached.intersection(node.input):
            nodes.append(node)
            reached.update(name for name in node.output if name)
    outputs = tuple(output.name for output in graph.output if output.name in reached and output.name != value)
    if not outputs:
        return None
    constants = {tensor.name for tensor in graph.initializer}
    used = dict.fromkeys(name for node in nodes for name in node.input if name)
    others = tuple(name for name in used if name not in reached and name not in constants)
    session = open_session(_model(network, value, nodes, others, outputs).SerializeToString())
    return Aftermath(value, others, outputs, session)


def _model(
    network: ModelProto, value: str, nodes: list[NodeProto], others: tuple[str, ...], outputs: tuple[str, ...]
) -> ModelProto:
    result = ModelProto()
    result.ir_version = network.ir_version
    result.opset_import.extend(network.opset_import)
    graph = result.graph
    graph.name = "aftermath"
    graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (value, *others))
    graph.input.append(helper.make_tensor_value_info(_SCALE, TensorProto.FLOAT, []))
    graph.input.append(helper.make_tensor_value_info(_ZERO, TensorProto.INT8, []))
    graph.node.append(helper.make_node("QuantizeLinear", [value, _SCALE, _ZERO], [_LEVELS]))
    graph.node.append(helper.make_node("DequantizeLinear", [_LEVELS, _SCALE, _ZERO], [_ROUNDED]))
    for node in nodes:
        copy = graph.node.add()
        copy.CopyFrom(node)
        for index, name in enumerate(copy.input):
            if name == value:
                copy.input[index] = _ROUNDED
    used = {name for node in nodes for name in node.input}
    graph.initializer.extend(tensor for tensor in network.graph.initializer if tensor.name in used)
    graph.output.extend(ValueInfoProto(name=name) for name in outputs)
    return result
