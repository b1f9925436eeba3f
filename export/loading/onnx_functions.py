"""Model-local functions: refused when they never end, expanded otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import GraphProto, ModelProto, NodeProto, inliner

from edgeguard.errors import BadModel, UnsafeFile
from edgeguard.runtimes.ort_session import first_line

__all__ = ["inline_functions"]

_MAX_NODES = 200_000
Key = tuple[str, str, str]


def inline_functions(model: ModelProto) -> ModelProto:
    """The model without local functions.

    :raises UnsafeFile: a function calls itself, directly or through others, or they expand beyond all measure.
    :raises BadModel: they cannot be expanded.
    """
    if not model.functions:
        return model
    bodies = {(each.domain, each.name, each.overload): list(each.node) for each in model.functions}
    sizes: dict[Key, int] = {}
    for key in bodies:
        _measure(key, bodies, sizes)
    total = sum(sizes.get(_key(node), 1) for node in _nodes(model.graph.node))
    if total > _MAX_NODES:
        raise UnsafeFile(f"its functions expand to {total:,} nodes; the limit is {_MAX_NODES:,}")
    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # the inliner raises RuntimeError for every reason
        raise BadModel(f"its functions cannot be expanded: {first_line(error)}") from None


def _measure(start: Key, bodies: dict[Key, list[NodeProto]], sizes: dict[Key, int]) -> None:
    """Number of nodes that a function expands to, depth first without recursion of our own."""
    path: list[Key] = [start]
    while path:
        key = path[-1]
        if key in sizes:
            path.pop()
            continue
        calls = [called for node in _nodes(bodies[key]) if (called := _key(node)) in bodies]
        waiting = [called for called in calls if called not in sizes]
        if any(called in path for called in waiting):
            raise UnsafeFile(f"its function {key[1]!r} calls itself, directly or through others")
        if waiting:
            path.append(waiting[0])
        else:
            sizes[key] = sum(sizes.get(_key(node), 1) for node in _nodes(bodies[key]))
            path.pop()


def _key(node: NodeProto) -> Key:
    return node.domain, node.op_type, node.overload


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            graphs: list[GraphProto] = [attribute.g] if attribute.HasField("g") else []
            for graph in (*graphs, *attribute.graphs):
                yield from _nodes(graph.node)
