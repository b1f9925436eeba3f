"""A network in a file's format, as the main job handles it whatever the format is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.manifest import Format

__all__ = ["Graph", "Runner"]

Array = np.ndarray[Any, Any]
# Inputs float32 ``[n, *input_shape]`` to what the network returns.
Runner = Callable[[Array], Array]


class Graph(Protocol):
    """A network with one input and one output; a value, which nothing changes."""

    @property
    def format(self) -> Format:
        """Of its file, and the ending of the file's name."""

    @property
    def input_name(self) -> str:
        """What the input is called."""

    @property
    def output_name(self) -> str:
        """What the output is called."""

    @property
    def came_quantized(self) -> bool:
        """Whether any operator of it belongs to a quantized network."""

    def to_bytes(self) -> bytes:
        """The content of its file; the same graph always gives the same."""

    def runner(self, batch: int | None) -> Runner:
        """The network, ready to run.

        :param batch: the batch size that the graph is fixed to; ``None`` if any will do.
        :raises BadModel: the engine refuses it.
        """

    def answering(self, head: Head, defense: Defense | None) -> Graph:
        """The graph, which ends in ``head``, returning answers under the name ``probabilities``, and nothing else.

        :param defense: ``None`` returns the plain posterior.
        """

    def in_integers(self) -> tuple[Graph, Head]:
        """The graph, which ends in float logits, ending in the integers that they are dequantized from.

        :raises BadModel: they are not dequantized from uint8 or int8 with one scale.
        """
