"""ONNX networks, as the main job handles networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from onnx import ModelProto

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.export.graph import Runner
from edgeguard.export.head import attach, expose_integer_logits
from edgeguard.export.loading.onnx_file import is_quantized
from edgeguard.manifest import Format
from edgeguard.runtimes.ort_session import answerer

__all__ = ["OnnxGraph"]


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """An ONNX model; satisfies :class:`edgeguard.export.graph.Graph`."""

    model: ModelProto

    @property
    def format(self) -> Format:
        """Of its file."""
        return "onnx"

    @property
    def input_name(self) -> str:
        """What the input is called."""
        name: str = self.model.graph.input[0].name
        return name

    @property
    def output_name(self) -> str:
        """What the output is called."""
        name: str = self.model.graph.output[0].name
        return name

    @property
    def came_quantized(self) -> bool:
        """Whether any operator of it belongs to a quantized network."""
        return is_quantized(self.model)

    def to_bytes(self) -> bytes:
        """The content of its file."""
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        """Made once: of a large network they take half a second."""
        data: bytes = self.model.SerializeToString(deterministic=True)
        return data

    def runner(self, batch: int | None) -> Runner:
        """The network in ONNX Runtime; see :meth:`Graph.runner`."""
        return answerer(self.to_bytes(), batch)

    def answering(self, head: Head, defense: Defense | None) -> OnnxGraph:
        """The graph returning answers; see :meth:`Graph.answering`."""
        return OnnxGraph(attach(self.model, head, defense))

    def in_integers(self) -> tuple[OnnxGraph, Head]:
        """The graph ending in integers; see :meth:`Graph.in_integers`."""
        model, head = expose_integer_logits(self.model)
        return OnnxGraph(model), head
