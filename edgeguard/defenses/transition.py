"""Transition: the posterior times a fixed row-stochastic matrix that a key chooses.

With p the posterior, s the strength and Pi a derangement (a permutation that moves every class) from the key::

    out = p ((1 - s) I + s Pi),    out_j = (1 - s) p_j + s p_source(j)

The noise transition matrix of Wu et al., "Efficient Model Stealing Defense with Noise Transition Matrix", CVPR 2024,
who learn it against a clone; here the key draws it, and a permutation needs no table of classes x classes. Linear, and
below s = 1/2 always invertible: K known pairs give the matrix, and with it every posterior.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from edgeguard.defenses.head import Query
from edgeguard.errors import UsageError
from edgeguard.keys import MasterKey

__all__ = ["Transition"]

T = TypeVar("T")
Array = np.ndarray[Any, Any]


# No slots: they leave no room for what is computed once.
@dataclass(frozen=True)
class Transition:
    """Parameters of the transition, and what the key drew.

    :param strength: share of each probability that another class is given, in (0, 0.5).
    :param sources: for each class the one whose share it is given.
    """

    strength: float = 0.2
    sources: tuple[int, ...] = ()

    name: ClassVar[str] = "transition"
    version: ClassVar[int] = 1
    keeps_argmax: ClassVar[bool] = False
    tuned: ClassVar[tuple[str, float, float] | None] = ("strength", 0.01, 0.49)
    keyed: ClassVar[bool] = True
    operators: ClassVar[int] = 5
    summary: ClassVar[str] = "a keyed noise transition matrix (Wu et al. 2024): one linear map, soon undone"
    attack: ClassVar[str] = "one linear system from as many known pairs as classes undoes it"

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges, and sources that are no derangement.

        :raises UsageError: naming the parameter.
        """
        if not 0 < self.strength < 0.5:
            raise UsageError(f"strength must lie in (0, 0.5), not {self.strength:g}", where="--defense-param")
        classes = range(len(self.sources))
        if sorted(self.sources) != list(classes) or any(map(int.__eq__, self.sources, classes)):
            raise UsageError("the sources are no derangement of the classes", fix="Export again")

    @classmethod
    def for_classes(cls, classes: int) -> Self:  # noqa: ARG003  (the same for any number)
        """The default parameters."""
        return cls()

    def drawn(self, key: MasterKey, classes: int) -> Self:
        """With the derangement that a key gives."""
        return replace(self, sources=tuple(key.stream("transition", classes).derangement(classes).tolist()))

    def respond(self, query: Query[T]) -> T:
        """The answer, ``[batch, classes]``.

        :raises UsageError: the sources were never drawn, or for another number of classes.
        """
        ops, posterior = query.ops, query.posterior
        if len(self.sources) != query.head.classes:
            raise UsageError("the transition was never drawn", fix="Pass --key")
        given = ops.mul(ops.permute(posterior, self._order), self.strength)
        return ops.add(ops.mul(posterior, 1 - self.strength), given)

    def margin(self, posterior: Array) -> Array:
        """Infinite: there is nothing to decide."""
        return np.full(posterior.shape[:-1], np.inf)

    @cached_property
    def _order(self) -> Array:
        return np.array(self.sources, np.int64)
