"""A small network with every kind of layer that refinements know, quantized."""

from __future__ import annotations

import functools

import numpy as np
from onnx import ModelProto

from edgeguard.calibration.sets import array_set
from edgeguard.export.passes.quantize import Quantize
from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.partial import Trial
from edgeguard.targets import find_target
from tests.export.graphs import Array, build, measured_ranges, node, random_inputs

__all__ = ["INPUTS", "LAYERS", "TRIAL", "draft_of", "separable"]

LAYERS = ("first", "depthwise", "pointwise", "dense")
# Their mean is not zero, as that of images is not once they have passed a ReLU.
INPUTS: Array = random_inputs(48) + np.float32(1)
TRIAL = Trial(array_set(INPUTS, synthetic=False), 48, None)


def separable(*, transposed: bool = True, activation: str = "Relu") -> ModelProto:
    """A convolution, a depthwise one of stride 2, a pointwise one, and a dense layer: ``[batch, 3, 8, 8]`` to logits.

    :param transposed: whether the dense layer holds its weights as ``[outputs, inputs]``.
    """
    rng = np.random.default_rng(0)
    depthwise = rng.normal(0, 1, (6, 1, 3, 3)).astype(np.float32)
    depthwise[..., 0, 0] *= 30
    dense = rng.normal(0, 0.3, (10, 12)).astype(np.float32)
    held = {
        "w1": rng.normal(0, 0.3, (6, 3, 3, 3)).astype(np.float32),
        # Beside the largest of its channel each weight rounds badly.
        "w2": depthwise,
        "w3": rng.normal(0, 0.5, (12, 6, 1, 1)).astype(np.float32),
        "w4": dense if transposed else np.ascontiguousarray(dense.T),
        **{f"b{index}": rng.normal(0, 0.3, size).astype(np.float32) for index, size in enumerate((6, 6, 12, 10), 1)},
    }
    nodes = [
        node("Conv", ["x", "w1", "b1"], "first", pads=[1, 1, 1, 1]),
        node(activation, ["first"], "r1"),
        node("Conv", ["r1", "w2", "b2"], "depthwise", group=6, strides=[2, 2], pads=[0, 0, 1, 1]),
        node(activation, ["depthwise"], "r2"),
        node("Conv", ["r2", "w3", "b3"], "pointwise"),
        node(activation, ["pointwise"], "r3"),
        node("GlobalAveragePool", ["r3"], "pooled"),
        node("Flatten", ["pooled"], "flat"),
        node("Gemm", ["flat", "w4", "b4"], "logits", transB=int(transposed)),
    ]
    for each in nodes:
        each.name = {"n_logits": "dense"}.get(each.name, each.name.removeprefix("n_"))
    return build(nodes, held)


@functools.cache
def draft_of(*, transposed: bool = True, target: str = "arm64") -> Draft:
    """The network quantized on min-max ranges."""
    model = separable(transposed=transposed)
    profile = find_target(target)
    return Draft.of(
        model,
        measured_ranges(model, INPUTS),
        lambda source, ranges: Quantize(profile, ranges).run(source),
    )
