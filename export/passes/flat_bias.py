"""One bias value for each output of a Gemm.

A MatMul followed by an Add folds into a Gemm whose bias keeps the Add's shape, often ``[1, n]``; ONNX Runtime's
quantizer takes a per-channel bias by its first axis and fails on that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from edgeguard.errors import GuardFailed

__all__ = ["FlatBias"]


@dataclass(frozen=True, slots=True)
class FlatBias:
    """Writes constant Gemm biases as ``[n]``."""

    name: ClassVar[str] = "flat-bias"

    def requires(self, model: ModelProto) -> None:
        """Nothing: a model without such a bias stays as it is."""

    def run(self, model: ModelProto) -> ModelProto:
        """The model with flat biases; the old constants stay if others use them."""
        result = ModelProto()
        result.CopyFrom(model)
        graph = result.graph
        constants = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            outputs = _outputs(node, model)
            if outputs is None:
                continue
            bias = numpy_helper.to_array(constants[node.input[2]])
            if bias.shape == (outputs,) or bias.size not in (1, outputs):
                continue
            name = f"{node.input[2]}_flat_{outputs}"
            if name not in constants:
                flat = np.ascontiguousarray(np.broadcast_to(bias.reshape(-1), (outputs,)))
                constants[name] = numpy_helper.from_array(flat, name)
                graph.initializer.append(constants[name])
            node.input[2] = name
        used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        return result

    def ensures(self, before: ModelProto, after: ModelProto) -> None:
        """No node came or went."""
        if [node.op_type for node in before.graph.node] != [node.op_type for node in after.graph.node]:
            raise GuardFailed("flattening biases changed the operators")


def _outputs(node: NodeProto, model: ModelProto) -> int | None:
    """Number of outputs of a Gemm with constant weight and bias; ``None`` for anything else."""
    if node.op_type != "Gemm" or len(node.input) < 3:
        return None
    dims = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    if node.input[1] not in dims or node.input[2] not in dims:
        return None
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return int(dims[node.input[1]][0 if transposed else 1])
