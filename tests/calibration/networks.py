"""Small networks for collecting. Weights and inputs are whole numbers, so that sums are exact in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]

SHAPE = (2, 8, 8)


def build(
    nodes: list[NodeProto],
    outputs: list[str],
    constants: dict[str, Array] | None = None,
    *,
    shape: tuple[int, ...] = SHAPE,
    batch: int | str = "batch",
) -> bytes:
    """A serialised model from ``x``, float ``[batch, *shape]``."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString())


def convolutions(batch: int | str = "batch") -> bytes:
    """Two convolutions and a dense layer; outputs ``a`` to ``e``."""
    rng = np.random.default_rng(0)
    constants = {
        "w1": rng.integers(-3, 4, (4, 2, 3, 3)).astype(np.float32),
        "w2": rng.integers(-3, 4, (6, 4, 3, 3)).astype(np.float32),
        "w3": rng.integers(-3, 4, (6, 5)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["f"]),
        helper.make_node("Gemm", ["f", "w3"], ["e"]),
    ]
    return build(nodes, ["a", "b", "c", "d", "e"], constants, batch=batch)


def merged_axes() -> bytes:
    """``windows`` has the batch merged into its first axis, ``sequence`` has it second."""
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["windows"]),
        helper.make_node("Transpose", ["x"], ["turned"], perm=[2, 0, 1, 3]),
        helper.make_node("Reshape", ["turned", "flat"], ["sequence"]),
    ]
    constants = {"shape": np.array([-1, 7, 8], np.int64), "flat": np.array([0, 0, -1], np.int64)}
    return build(nodes, ["windows", "sequence"], constants, shape=(2, 7, 8))


def whole_inputs(count: int, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Array:
    """Whole numbers, mostly small, with rare large ones, so that there are tails to clip."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-4, 9, (count, *shape))
    rare = rng.random(values.shape) < 0.002
    return np.where(rare, values * 16, values).astype(np.float32)
