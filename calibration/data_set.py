"""What a set of inputs is."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgeguard.errors import BadData

__all__ = ["BLOCK", "Batch", "DataSet", "check_disjoint", "checked_batches"]

Array = np.ndarray[Any, Any]

# Inputs read at once where the caller has no wish.
BLOCK = 32


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of a set.

    :param inputs: float32 ``[n, *input_shape]``, ready for the network.
    :param labels: int64 ``[n]``, or ``None``.
    :param digests: of the pixels (or of the finished inputs) of each, before preprocessing.
    """

    inputs: Array
    labels: Array | None
    digests: tuple[str, ...]


class DataSet(ABC):
    """A re-iterable stream of inputs."""

    name: str
    synthetic: bool
    labelled: bool

    @abstractmethod
    def __len__(self) -> int:
        """Number of inputs."""

    @abstractmethod
    def batches(self, size: int) -> Iterator[Batch]:
        """The inputs in order, in blocks of ``size`` (the last may be smaller).

        :raises BadData: an input is unusable; the message names it.
        """

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """One digest an input, in order; reads the whole set once."""
        return tuple(digest for batch in self.batches(BLOCK) for digest in batch.digests)

    @property
    def digest(self) -> str:
        """Identity of the whole set."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()


def check_disjoint(calibration: DataSet, validation: DataSet) -> None:
    """Refuse sets that share images: a figure measured on what the ranges were fitted to flatters.

    :raises BadData: with how many they share.
    """
    shared = set(calibration.digests) & set(validation.digests)
    if shared:
        raise BadData(
            f"{len(shared)} of its images are in the calibration set {calibration.name} too",
            where=validation.name,
            fix="Use images for validation that calibration has not seen",
        )


def checked_batches(data: DataSet, size: int, classes: int) -> Iterator[Batch]:
    """The batches of a set, whose labels must be classes of a network.

    :raises BadData: a label is none, or an input is unusable.
    """
    for batch in data.batches(size):
        if batch.labels is not None and (batch.labels.min() < 0 or batch.labels.max() >= classes):
            wrong = int(batch.labels.max() if batch.labels.max() >= classes else batch.labels.min())
            raise BadData(
                f"has the label {wrong}; the network's classes are 0 to {classes - 1}",
                where=data.name,
                fix="Is it the set of another network?",
            )
        yield batch
