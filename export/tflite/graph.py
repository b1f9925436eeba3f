"""TFLite networks, as the main job handles networks."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.export.graph import Runner
from edgeguard.export.tflite.flatbuffer import unpack
from edgeguard.export.tflite.head import attach_tflite, expose_tflite_integers, is_tflite_quantized
from edgeguard.manifest import Format
from edgeguard.runtimes.litert_session import litert_answerer

__all__ = ["TfliteGraph"]


@dataclass(frozen=True, eq=False, slots=True)
class TfliteGraph:
    """A TFLite model; satisfies :class:`edgeguard.export.graph.Graph`.

    :param data: its file's content.
    """

    data: bytes

    @property
    def format(self) -> Format:
        """Of its file."""
        return "tflite"

    @property
    def input_name(self) -> str:
        """What the input is called."""
        graph = unpack(self.data).subgraphs[0]
        return str(graph.tensors[int(graph.inputs[0])].name.decode())

    @property
    def output_name(self) -> str:
        """What the output is called."""
        graph = unpack(self.data).subgraphs[0]
        return str(graph.tensors[int(graph.outputs[0])].name.decode())

    @property
    def came_quantized(self) -> bool:
        """Whether any operator of it computes on integers."""
        return is_tflite_quantized(self.data)

    def to_bytes(self) -> bytes:
        """The content of its file."""
        return self.data

    def runner(self, batch: int | None) -> Runner:  # noqa: ARG002 - the flatbuffer knows its batch
        """The network in LiteRT; see :meth:`Graph.runner`."""
        return litert_answerer(self.data)

    def answering(self, head: Head, defense: Defense | None) -> TfliteGraph:
        """The graph returning answers; see :meth:`Graph.answering`."""
        return TfliteGraph(attach_tflite(self.data, head, defense))

    def in_integers(self) -> tuple[TfliteGraph, Head]:
        """The graph ending in integers; see :meth:`Graph.in_integers`."""
        data, head = expose_tflite_integers(self.data)
        return TfliteGraph(data), head
