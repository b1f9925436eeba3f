"""Model-local functions: refused when they never end, expanded otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import GraphProto, ModelProto, NodeProto, inliner

from edgeguard.errors import BadModel, UnsafeFile
from edgeguard.export.loading.files import MAX_BYTES
from edgeguard.export.loading.shapes import MAX_NODES
from edgeguard.runtimes.first_line import first_line

__all__ = ["check_functions", "inline_functions"]

Key = tuple[str, str, str]
Size = tuple[int, int]


def check_functions(model: ModelProto) -> None:
    """Refuse functions that expand without end or measure, before anything expands them.

    :raises UnsafeFile: a function calls itself, directly or through others, or they expand beyond all measure.
    """
    bodies = {(each.domain, each.name, each.overload): list(each.node) for each in model.functions}
    sizes: dict[Key, Size] = {}
    for key in bodies:
        _measure(key, bodies, sizes)
    nodes, size = _total(model.graph.node, sizes)
    if nodes > MAX_NODES or size > MAX_BYTES:
        raise UnsafeFile(
            f"its functions expand to {nodes:,} nodes of {size:,} bytes; the limits are {MAX_NODES:,} and {MAX_BYTES:,}"
        )


def inline_functions(model: ModelProto) -> ModelProto:
    """The model without local functions, which :func:`check_functions` has checked.

    :raises BadModel: they cannot be expanded.
    """
    if not model.functions:
        return model
    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # the inliner raises RuntimeError for every reason
        raise BadModel(f"its functions cannot be expanded: {first_line(error)}") from None


def _measure(start: Key, bodies: dict[Key, list[NodeProto]], sizes: dict[Key, Size]) -> None:
    """Nodes and bytes that a function expands to, depth first without recursion of our own."""
    path = [(start, _calls(start, bodies))]
    entered = {start}
    while path:
        key, calls = path[-1]
        called = next((call for call in calls if call not in sizes), None)
        if called is None:
            sizes[key] = _total(bodies[key], sizes)
            entered.discard(key)
            path.pop()
        elif called in entered:
            raise UnsafeFile(f"its function {called[1]!r} calls itself, directly or through others")
        else:
            entered.add(called)
            path.append((called, _calls(called, bodies)))


def _calls(key: Key, bodies: dict[Key, list[NodeProto]]) -> Iterator[Key]:
    return (called for node in _nodes(bodies[key]) if (called := _key(node)) in bodies)


def _total(nodes: Iterable[NodeProto], sizes: dict[Key, Size]) -> Size:
    """Of nodes and what hangs in them, calls at the size of what they expand to."""
    found = list(nodes)
    parts = [sizes.get(_key(node), (1, 0)) for node in _nodes(found)]
    own = sum(node.ByteSize() for node in found)
    return sum(count for count, _ in parts), own + sum(size for _, size in parts)


def _key(node: NodeProto) -> Key:
    return node.domain, node.op_type, node.overload


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            graphs: list[GraphProto] = [attribute.g] if attribute.HasField("g") else []
            for graph in (*graphs, *attribute.graphs):
                yield from _nodes(graph.node)
