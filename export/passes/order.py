"""The order of nodes: ONNX wants each after those whose values it uses; editors append where they like."""

from __future__ import annotations

from onnx import GraphProto, NodeProto

__all__ = ["captured", "sort_nodes"]


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
            used = (*nodes[index].input, *sorted(captured(nodes[index])))
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


def captured(node: NodeProto) -> set[str]:
    """Names that a node's subgraphs use from the outer graph (or define themselves; too many is harmless)."""
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    graphs += [graph for attribute in node.attribute for graph in attribute.graphs]
    names: set[str] = set()
    for graph in graphs:
        names.update(output.name for output in graph.output)
        for inner in graph.node:
            names.update(inner.input)
            names |= captured(inner)
    return names
