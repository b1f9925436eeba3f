"""A small classifier as ONNX, and places to hide things in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.export.graphs import Array, build, node

__all__ = ["before", "call", "classifier", "external", "function", "hiding_places", "with_functions", "write"]


def classifier(first: str = "x") -> tuple[list[NodeProto], dict[str, Array]]:
    """Nodes and constants of a dense layer over the value ``first``, ``[batch, 3, 8, 8]``."""
    weights = np.random.default_rng(0).normal(0, 1, (10, 192)).astype(np.float32)
    nodes = [node("Flatten", [first], "flat", axis=1), node("Gemm", ["flat", "w", "b"], "y", transB=1)]
    return nodes, {"w": weights, "b": np.zeros(10, np.float32)}


def before(
    nodes: Iterable[NodeProto] = (), constants: dict[str, Array] | None = None, *, first: str = "x", opset: int = 17
) -> ModelProto:
    """The classifier behind other nodes, whose value ``first`` it takes."""
    own, weights = classifier(first)
    return build([*nodes, *own], weights | (constants or {}), output="y", opset=opset, ir_version=8)


def write(model: ModelProto | bytes, directory: Path, name: str = "model.onnx") -> Path:
    """The model's file."""
    path = directory / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def function(name: str, nodes: Sequence[NodeProto]) -> FunctionProto:
    """A model-local function from ``a`` to ``o``."""
    return helper.make_function(
        "local", name, ["a"], ["o"], list(nodes), [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    )


def call(name: str, source: str = "a", target: str = "o") -> NodeProto:
    """A call of a model-local function."""
    return helper.make_node(name, [source], [target], domain="local")


def with_functions(*functions: FunctionProto, first: str = "F0") -> ModelProto:
    """The classifier behind a call of the function ``first``."""
    model = before([call(first, "x", "x2")], first="x2")
    model.functions.extend(functions)
    model.opset_import.append(helper.make_opsetid("local", 1))
    return model


def external(location: str, *, dims: Sequence[int] = (10,), **facts: object) -> TensorProto:
    """A float tensor whose data lies at ``location``."""
    tensor = TensorProto(
        name="outside", data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.DataLocation.EXTERNAL
    )
    for key, value in {"location": location, **facts}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def hiding_places() -> dict[str, Callable[[TensorProto], ModelProto]]:
    """Where a model can keep a tensor, by name."""
    return {
        "initializer": _initializer,
        "constant": lambda tensor: before([_constant(tensor)]),
        "subgraph": lambda tensor: before(_branches(_graph([_constant(tensor)]))),
        "subgraph-initializer": lambda tensor: before(_branches(_graph([], [tensor]))),
        "function": lambda tensor: with_functions(
            function("F0", [_constant(tensor), helper.make_node("Identity", ["a"], ["o"])])
        ),
        "function-subgraph": lambda tensor: with_functions(
            function("F0", [*_branches(_graph([_constant(tensor)])), helper.make_node("Identity", ["a"], ["o"])])
        ),
        "sparse": _sparse,
    }


def _constant(tensor: TensorProto) -> NodeProto:
    return helper.make_node("Constant", [], ["outside"], value=tensor)


def _graph(nodes: list[NodeProto], constants: Sequence[TensorProto] = ()) -> GraphProto:
    output = helper.make_tensor_value_info("outside", TensorProto.FLOAT, None)
    return helper.make_graph(nodes, "branch", [], [output], list(constants))


def _branches(branch: GraphProto) -> list[NodeProto]:
    condition = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
    return [condition, helper.make_node("If", ["yes"], ["either"], then_branch=branch, else_branch=branch)]


def _initializer(tensor: TensorProto) -> ModelProto:
    model = before()
    model.graph.initializer.append(tensor)
    return model


def _sparse(tensor: TensorProto) -> ModelProto:
    model = before()
    sparse = model.graph.sparse_initializer.add(dims=[100])
    sparse.values.CopyFrom(tensor)
    sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(10)))
    return model
