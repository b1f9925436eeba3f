"""Parts of a network: what leads up to some of its values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import ModelProto, ValueInfoProto

from edgeguard.calibration.data_set import DataSet
from edgeguard.export.passes.tidy import remove_dead_nodes
from edgeguard.runtimes.blocks import filled_up
from edgeguard.runtimes.ort_session import open_session

__all__ = ["Trial", "leading_to"]

Array = np.ndarray[Any, Any]

# More are hardly quicker, and whole activations are held.
_BLOCK = 1


@dataclass(frozen=True, eq=False)
class Trial:
    """Inputs that networks are compared on.

    :param data: the first ``images`` of it are used.
    :param batch: the batch size that the networks are fixed to, if they are.
    """

    data: DataSet
    images: int
    batch: int | None

    def of_at_most(self, images: int) -> Trial:
        """The first of these inputs."""
        return replace(self, images=min(images, self.images))

    def blocks(self) -> Iterator[Array]:
        """The inputs, a few at a time; a block of a fixed size is filled up with copies of its last input."""
        left = self.images
        for each in self.data.batches(self.batch or _BLOCK):
            if left <= 0:
                return
            inputs = each.inputs[:left]
            left -= len(inputs)
            yield filled_up(inputs, self.batch)

    def values(self, network: ModelProto, names: tuple[str, ...]) -> Iterator[tuple[Array, ...]]:
        """The values of a network for each block, in the order of ``names``.

        :raises BadModel: ONNX Runtime refuses the network.
        """
        fed = network.graph.input[0].name
        wanted = [name for name in dict.fromkeys(names) if name != fed]
        session = open_session(leading_to(network, wanted).SerializeToString()) if wanted else None
        for inputs in self.blocks():
            found = {} if session is None else dict(zip(wanted, session.run(wanted, {fed: inputs}), strict=True))
            yield tuple(inputs if name == fed else found[name] for name in names)


def leading_to(network: ModelProto, names: list[str]) -> ModelProto:
    """The part of a network that some of its values depend on; they are its outputs."""
    result = ModelProto()
    result.CopyFrom(network)
    del result.graph.output[:]
    result.graph.output.extend(ValueInfoProto(name=name) for name in names)
    return remove_dead_nodes(result)
