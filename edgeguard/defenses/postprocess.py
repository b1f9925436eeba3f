"""The host post-processor: the defense of an artifact whose graph was left alone, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.defenses.defense import Answering, Defense
from edgeguard.defenses.head import Head, Query
from edgeguard.defenses.numpy_ops import NumpyOps

__all__ = ["PostProcessor"]

Array = np.ndarray[Any, Any]

# A product decides in few calls, which is what counts for few queries, but has many columns. The rows are the same.
_MOST_BY_PRODUCT = 32


class PostProcessor:
    """Turns what a network ends in into answers.

    :param defense: ``None`` gives the plain posterior.
    """

    def __init__(self, head: Head, defense: Defense | None) -> None:
        self._head = head
        self._grid = None if defense is None else defense.grid
        self._answering: Answering = _plain if defense is None else defense.behind(head)
        self._of_many: Answering = _plain if defense is None else defense.behind(head, by_product=False)
        self._ops = NumpyOps()

    def __call__(self, raw: Array) -> Array:
        """Answers, float32 ``[batch, classes]``, from the network's last tensor of the same shape."""
        answering = self._answering if len(raw) <= _MOST_BY_PRODUCT else self._of_many
        answers: Array = answering(Query(self._ops, self._head, raw, self._grid))
        return answers


def _plain(query: Query[Array]) -> Array:
    return query.posterior
