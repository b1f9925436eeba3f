"""An integer kernel adds the bias to its accumulator unscaled, so the bias must have the accumulator's scale."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, numpy_helper

from edgeguard.errors import GuardFailed

__all__ = ["check_bias_scales"]


def check_bias_scales(model: ModelProto) -> None:
    """Every quantized bias has the scale input x weight (onnxruntime#11576, #24711).

    :raises GuardFailed: naming the first node where it has not.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    dequantizers = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}

    def scale(value: str) -> np.ndarray | None:
        node = dequantizers.get(value)
        return None if node is None else numpy_helper.to_array(constants[node.input[1]])

    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm") or len(node.input) < 3:
            continue
        scales = [scale(name) for name in node.input[:3]]
        if scales[2] is None:
            continue
        if scales[0] is None or scales[1] is None:
            raise GuardFailed("has an integer bias but a float operand", where=f"node {node.name!r}")
        if not np.allclose(scales[2], scales[0] * scales[1], rtol=1e-5, atol=0):
            raise GuardFailed(
                "its bias is not quantized with input scale x weight scale (onnxruntime#11576)",
                where=f"node {node.name!r}",
                fix="Keep it in float with --keep-float and report it",
            )
