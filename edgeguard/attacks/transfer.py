"""What passes between the stages of an attack: images to choose from, answers bought, and what a clone is taught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.errors import BadData

__all__ = ["Lesson", "Pool", "TransferSet"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, slots=True)
class Pool:
    """Images that a thief has.

    :param inputs: finished inputs, float32 ``[n, *input_shape]``.
    :param labels: classes of the pool itself, int64 ``[n]``, which need have nothing to do with the victim's; ``None``
        if they are not known.
    """

    inputs: Array
    labels: Array | None = None

    def __post_init__(self) -> None:
        """Refuse pools that cannot be.

        :raises BadData: it is empty, or its labels are not one for each image.
        """
        if not len(self.inputs):
            raise BadData("the thief has no images", where="transfer set")
        if self.labels is not None and self.labels.shape != self.inputs.shape[:1]:
            raise BadData(f"{len(self.labels)} labels for {len(self.inputs)} images", where="transfer set")

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, eq=False, slots=True)
class TransferSet:
    """Answers that a thief bought.

    :param inputs: float32 ``[n, *input_shape]``.
    :param answers: float32 ``[n, classes]``, one row for each input.
    :param again: answers to changed copies of the inputs, float32 ``[n, copies, classes]``; no copies unless a strategy
        asked for them.
    :param queries: what all of it cost.
    """

    inputs: Array
    answers: Array
    again: Array
    queries: int

    def __post_init__(self) -> None:
        """Refuse what does not fit together.

        :raises BadData: naming the numbers.
        """
        count, classes = len(self.inputs), self.answers.shape[-1]
        if self.answers.shape != (count, classes) or self.again.shape[::2] != (count, classes):
            raise BadData(
                f"{count} inputs, answers {list(self.answers.shape)} and repeated ones {list(self.again.shape)}",
                where="transfer set",
            )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def classes(self) -> int:
        """Of the victim."""
        return int(self.answers.shape[1])


@dataclass(frozen=True, eq=False, slots=True)
class Lesson:
    """What a clone is taught: the transfer set as the thief reads it.

    :param inputs: float32 ``[n, *input_shape]``.
    :param targets: float32 ``[n, classes]``, each row a distribution.
    :param kept: which images of the transfer set these are, int64 ``[n]``.
    """

    inputs: Array
    targets: Array
    kept: Array

    def __post_init__(self) -> None:
        """Refuse lessons that teach nothing.

        :raises BadData: nothing is left, or a row is no distribution.
        """
        if not len(self.inputs) or not len(self.inputs) == len(self.targets) == len(self.kept):
            raise BadData(f"{len(self.inputs)} inputs and {len(self.targets)} targets", where="lesson")
        if not np.isfinite(self.targets).all() or self.targets.min() < 0:
            raise BadData("a target is negative or not finite", where="lesson")

    def __len__(self) -> int:
        return len(self.inputs)
