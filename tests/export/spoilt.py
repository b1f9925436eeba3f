"""Networks with layers that int8 ruins and float does not: every weight rounds to nothing beside an outlier."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, numpy_helper

from edgeguard.export.graph import Runner
from edgeguard.export.onnx_graph import OnnxGraph
from edgeguard.export.passes.quantize import Quantize
from edgeguard.export.sensitivity import Quantizer
from edgeguard.targets import find_target
from tests.export.graphs import Array, build, measured_ranges, node

__all__ = ["chain", "quantizer", "runner", "spoil"]


def chain(layers: int = 5, *, width: int = 6, seed: int = 0) -> ModelProto:
    """Convolutions ``c1`` ... with ReLUs on ``[batch, 3, 8, 8]``, and a dense layer ``dense`` with ten logits."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(0, 3 / width, ((width if layers > 1 else 3) * 64, 10)).astype(np.float32)
    held: dict[str, Array] = {"wd": dense - dense.mean(axis=1, keepdims=True)}
    nodes, value, before = [], "x", 3
    for index in range(1, layers):
        held[f"w{index}"] = rng.normal(0, (2 / (9 * before)) ** 0.5, (width, before, 3, 3)).astype(np.float32)
        held[f"b{index}"] = rng.normal(0, 0.1, width).astype(np.float32)
        nodes += [node("Conv", [value, f"w{index}", f"b{index}"], f"c{index}", pads=[1, 1, 1, 1])]
        nodes += [node("Relu", [f"c{index}"], f"r{index}")]
        value, before = f"r{index}", width
    nodes += [node("Flatten", [value], "flat"), node("MatMul", ["flat", "wd"], "logits")]
    for each in nodes:
        each.name = {"n_logits": "dense"}.get(each.name, each.name.removeprefix("n_"))
    return build(nodes, held)


def spoil(model: ModelProto, layer: str, *, factor: float = 3000.0) -> ModelProto:
    """A copy that computes the same, in which the convolution ``layer`` has outliers among its weights.

    The convolution before it, which a ReLU stands between, gets a channel that is always zero; the weights for that
    channel may be anything.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    producers = {name: each for each in graph.node for name in each.output}
    (spoilt,) = [each for each in graph.node if each.name == layer]
    before = producers[producers[spoilt.input[0]].input[0]]
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    ours, theirs, bias = (numpy_helper.to_array(tensors[name]) for name in (spoilt.input[1], *before.input[1:3]))
    outliers = np.full((len(ours), 1, *ours.shape[2:]), factor * np.abs(ours).max(), np.float32)
    dead = np.zeros((1, *theirs.shape[1:]), np.float32)
    for name, value in (
        (spoilt.input[1], np.concatenate([ours, outliers], axis=1)),
        (before.input[1], np.concatenate([theirs, dead])),
        (before.input[2], np.append(bias, np.float32(0))),
    ):
        tensors[name].CopyFrom(numpy_helper.from_array(value, name))
    del graph.value_info[:]
    return result


def runner(model: ModelProto) -> Runner:
    return OnnxGraph(model).runner(None)


def quantizer(model: ModelProto, inputs: Array) -> Quantizer:
    """Quantizes it on min-max ranges of ``inputs``."""
    ranges = measured_ranges(model, inputs)
    return lambda kept: runner(Quantize(find_target("arm64"), ranges, keep_float=kept).run(model))
