"""What editing a graph leaves behind: nodes in an order that ONNX does not allow, and what nobody needs any more."""

from __future__ import annotations

from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["remove_dead_nodes", "sort_nodes"]


def sort_nodes(graph: GraphProto) -> None:
    """Bring the nodes into an order that the ONNX standard allows, moving no node further up than it must; in place."""
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    nodes = list(graph.node)
    placed: set[int] = set()
    result: list[NodeProto] = []
    for start in range(len(nodes)):
        waiting = [start]
        while waiting:
            index = waiting[-1]
            used = (*nodes[index].input, *sorted(_captured(nodes[index])))
            missing = {producers[name]: None for name in used if name in producers}
            # What waits already is not asked for again: a graph that is no graph must not keep us forever.
            ahead = [each for each in missing if each not in placed and each not in waiting]
            if ahead:
                waiting.append(ahead[0])
                continue
            waiting.pop()
            if index not in placed:
                placed.add(index)
                result.append(nodes[index])
    del graph.node[:]
    graph.node.extend(result)


def remove_dead_nodes(model: ModelProto) -> ModelProto:
    """The model without nodes, constants and shape notes that its outputs do not need; changed in place."""
    graph = model.graph
    needed = {output.name for output in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed.update(node.input)
            needed.update(_captured(node))
    kept_nodes = list(reversed(kept))
    del graph.node[:]
    graph.node.extend(kept_nodes)
    for field in (graph.initializer, graph.value_info):
        entries = [entry for entry in field if entry.name in needed]
        del field[:]
        field.extend(entries)
    return model


def _captured(node: NodeProto) -> set[str]:
    """Names that a node's subgraphs use from the outer graph (or define themselves; too many is harmless)."""
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    graphs += [graph for attribute in node.attribute for graph in attribute.graphs]
    names: set[str] = set()
    for graph in graphs:
        names.update(output.name for output in graph.output)
        for inner in graph.node:
            names.update(inner.input)
            names |= _captured(inner)
    return names
