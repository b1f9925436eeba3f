"""Top-k: the k largest entries of the posterior, the others are hidden.

With p the posterior and t its k-th largest entry::

    out_j ∝ p_j  if p_j >= t
            0    else

What many prediction services do. Entries equal to the k-th are kept as well, so that nothing depends on the order of
the classes; a row of equal entries is answered whole. Top-1 tells the label, each further entry tells a ratio of two
probabilities as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from edgeguard.defenses.head import Query
from edgeguard.errors import UsageError

__all__ = ["TopK"]

T = TypeVar("T")
# Below this the logarithm of a float64 is not worth trusting; entries below count as equal.
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class TopK:
    """Parameters of top-k.

    :param k: entries that are kept: at least 1, and fewer than there are classes.
    """

    k: int = 3

    name: ClassVar[str] = "top-k"
    version: ClassVar[int] = 1
    keeps_argmax: ClassVar[bool] = True
    tuned: ClassVar[tuple[str, float, float] | None] = None
    keyed: ClassVar[bool] = False
    operators: ClassVar[int] = 6
    summary: ClassVar[str] = "only the k largest entries of the posterior"
    attack: ClassVar[str] = "training on the answers as they are: what is kept is true"

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges.

        :raises UsageError: naming the parameter.
        """
        if self.k < 1:
            raise UsageError(f"k must be at least 1, not {self.k}", where="--defense-param")

    @classmethod
    def for_classes(cls, classes: int) -> Self:
        """Three entries, or all but one where there are no more."""
        return cls(min(3, classes - 1))

    def check(self, classes: int) -> None:
        """Refuse to keep all entries, which would defend nothing.

        :raises UsageError: there are no more than k classes.
        """
        if self.k >= classes:
            raise UsageError(
                f"k = {self.k} hides nothing of {classes} classes",
                where="--defense-param",
                fix=f"Choose k from 1 to {classes - 1}",
            )

    def respond(self, query: Query[T]) -> T:
        """The answer, ``[batch, classes]``.

        :raises UsageError: there are no more than k classes.
        """
        self.check(query.head.classes)
        return query.ops.normalize(query.ops.keep_largest(query.posterior, self.k))

    def margin(self, posterior: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Half the distance of the k-th largest logit to the next: the one may fall while the other rises."""
        ordered = np.log(np.maximum(np.sort(posterior, axis=-1), _TINY))
        distance: np.ndarray[Any, Any] = (ordered[..., -self.k] - ordered[..., -self.k - 1]) / 2
        return distance
