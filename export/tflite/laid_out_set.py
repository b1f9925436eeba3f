"""Sets of inputs as the TFLite model of a network takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgeguard.calibration.data_set import Batch, DataSet
from edgeguard.export.tflite.convert import laid_out

__all__ = ["LaidOutSet"]


@dataclass
class LaidOutSet(DataSet):
    """A set for the torch network, its images with their channels last.

    :param inner: the set.
    """

    inner: DataSet

    def __post_init__(self) -> None:
        """Be called what the set is called."""
        self.name, self.synthetic, self.labelled = self.inner.name, self.inner.synthetic, self.inner.labelled

    def __len__(self) -> int:
        """Number of inputs."""
        return len(self.inner)

    def batches(self, size: int) -> Iterator[Batch]:
        """The inputs in order, in blocks of ``size``."""
        for batch in self.inner.batches(size):
            yield replace(batch, inputs=laid_out(batch.inputs))
