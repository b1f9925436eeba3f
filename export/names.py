"""Renaming the values of a graph."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import GraphProto

__all__ = ["rename_value", "step_aside"]


def rename_value(graph: GraphProto, old: str, new: str) -> None:
    """Rename a value wherever it is produced, used, stored or described, subgraphs included; in place."""
    for each in _graphs(graph):
        for node in each.node:
            for field in (node.input, node.output):
                for index, name in enumerate(field):
                    if name == old:
                        field[index] = new
        for entry in (*each.input, *each.output, *each.initializer, *each.value_info):
            if entry.name == old:
                entry.name = new
        for sparse in each.sparse_initializer:
            if sparse.values.name == old:
                sparse.values.name = new


def step_aside(graph: GraphProto, name: str) -> str:
    """Make ``name`` free, in place: the value or node that has it gets another one, which is returned."""
    taken = set(_names(graph))
    if name not in taken:
        return name
    new = f"network/{name}"
    while new in taken:
        new += "_"
    rename_value(graph, name, new)
    for node in graph.node:
        if node.name == name:
            node.name = new
    return new


def _names(graph: GraphProto) -> Iterator[str]:
    for each in _graphs(graph):
        for node in each.node:
            yield node.name
            yield from node.input
            yield from node.output
        yield from (entry.name for entry in (*each.input, *each.output, *each.initializer, *each.value_info))
        yield from (sparse.values.name for sparse in each.sparse_initializer)


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and all graphs in its nodes' attributes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)
