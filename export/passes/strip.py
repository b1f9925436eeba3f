"""Taking notes off a model.

Exporters write the developer's file paths and source lines into every node, and an artifact goes to whoever holds the
device. Two exports of one network from different folders would differ, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from onnx import GraphProto, ModelProto

from edgeguard.errors import GuardFailed

__all__ = ["Strip", "strip_notes"]


@dataclass(frozen=True, slots=True)
class Strip:
    """Removes documentation and metadata; names stay, for ``--keep-float`` needs them."""

    name: ClassVar[str] = "strip"

    def requires(self, model: ModelProto) -> None:
        """Nothing."""

    def run(self, model: ModelProto) -> ModelProto:
        """The model without notes."""
        result = ModelProto()
        result.CopyFrom(model)
        return strip_notes(result)

    def ensures(self, before: ModelProto, after: ModelProto) -> None:
        """No note is left, and nothing else is gone."""
        if any(part.doc_string or part.metadata_props for part in _parts(after)):
            raise GuardFailed("stripping left notes in the model")
        if [node.op_type for node in before.graph.node] != [node.op_type for node in after.graph.node]:
            raise GuardFailed("stripping changed the operators")


def strip_notes(model: ModelProto) -> ModelProto:
    """Remove documentation and metadata from a model, in place, and say that edgeguard made it."""
    for part in _parts(model):
        part.ClearField("doc_string")
        if part.metadata_props:
            part.ClearField("metadata_props")
    model.ClearField("domain")
    model.ClearField("model_version")
    model.producer_name = "edgeguard"
    model.ClearField("producer_version")
    return model


def _parts(model: ModelProto) -> Iterator[Any]:
    """Everything that can carry notes."""
    yield model
    yield from _parts_of(model.graph)


def _parts_of(graph: GraphProto) -> Iterator[Any]:
    yield graph
    yield from (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                yield from _parts_of(inner)
