"""BatchNorm layers that could not be folded into the layer before them."""

from __future__ import annotations

from onnx import ModelProto

__all__ = ["unfolded_batch_norms"]


def unfolded_batch_norms(model: ModelProto) -> tuple[str, ...]:
    """Names of the BatchNorm nodes that are left after folding, in graph order.

    ONNX Runtime has no integer kernel for them: each is an island in float (onnxruntime#12487), and the factors of
    its channels stay in the activations, where one scale must do for all of them.
    """
    return tuple(node.name for node in model.graph.node if node.op_type == "BatchNormalization")
