"""A name of its own for every node, by which ``--keep-float`` and ``edgeguard inspect`` know it.

ONNX asks for none, and many exporters write none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from onnx import ModelProto

from edgeguard.errors import GuardFailed

__all__ = ["Named"]


@dataclass(frozen=True, slots=True)
class Named:
    """Names nodes that have no name, or that of an earlier node, after their first output."""

    name: ClassVar[str] = "named"

    def requires(self, model: ModelProto) -> None:
        """Nothing."""

    def run(self, model: ModelProto) -> ModelProto:
        """The model with its nodes named; a name that only one node has stays."""
        result = ModelProto()
        result.CopyFrom(model)
        taken = {node.name for node in result.graph.node}
        seen = {""}
        for node in result.graph.node:
            if node.name in seen:
                # Outputs differ from each other, but one may be called as another node is.
                name = f"node_{node.output[0]}"
                while name in taken:
                    name += "_"
                taken.add(name)
                node.name = name
            seen.add(node.name)
        return result

    def ensures(self, before: ModelProto, after: ModelProto) -> None:
        """Names are there and differ, and nothing else did."""
        names = [node.name for node in after.graph.node]
        if len(set(names)) != len(names) or not all(names):
            raise GuardFailed("naming left two nodes with one name, or one without")
        if [node.output for node in before.graph.node] != [node.output for node in after.graph.node]:
            raise GuardFailed("naming changed the graph")
