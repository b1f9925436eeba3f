"""Reverse Sigmoid: every class but a confident top one is lifted, the more the less likely it is.

Lee et al., "Defending Against Neural Network Model Stealing Attacks Using Deceptive Perturbations", IEEE S&P Workshops
2019. With p the posterior::

    r   = beta * (sigmoid(gamma * log(clip(p / (1 - p), 1e-12, 1 - 1e-12))) - 1/2)
    out = (p - r) / sum(p - r)

The clip is where DCP, which gates this perturbation, has it: the odds never exceed 1, so r is never positive and is 0
wherever p > 1/2. The order of the classes is not kept in general, and the map is smooth: a learned inverse undoes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from edgeguard.defenses.head import Query
from edgeguard.defenses.ops import Ops
from edgeguard.errors import UsageError

__all__ = ["ReverseSigmoid", "clipped", "reverse"]

T = TypeVar("T")


def clipped(ops: Ops[T], posterior: T) -> T:
    """The posterior where its odds are clipped: odds of 1 are p = 1/2. The lower ends differ by a part in 10^12."""
    return ops.clip(posterior, 1e-12, 0.5)


def reverse(ops: Ops[T], clipped: T, gamma: float) -> T:
    """``-2 * (sigmoid(gamma * log(odds)) - 1/2)`` with clipped odds, in [0, 1].

    As tanh(gamma/2 * log(1 / odds)), clipped before anything can be infinite: the form with the fewest graph nodes.
    """
    return ops.tanh(ops.log(ops.odds_against(clipped)), gamma / 2)


@dataclass(frozen=True, slots=True)
class ReverseSigmoid:
    """Parameters of Reverse Sigmoid.

    :param beta: amplitude, in (0, 10].
    :param gamma: steepness, in (0, 10].
    """

    beta: float = 0.64
    gamma: float = 0.1

    name: ClassVar[str] = "reverse-sigmoid"
    version: ClassVar[int] = 1
    keeps_argmax: ClassVar[bool] = False
    tuned: ClassVar[tuple[str, float, float] | None] = ("beta", 0.05, 10.0)
    keyed: ClassVar[bool] = False
    operators: ClassVar[int] = 9
    summary: ClassVar[str] = "reverse sigmoid on every answer (Lee et al. 2019), a smooth map that can be inverted"
    attack: ClassVar[str] = "a learned inverse: the map is smooth and one to one"

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges.

        :raises UsageError: naming the parameter.
        """
        for name in ("beta", "gamma"):
            value = getattr(self, name)
            if not 0 < value <= 10:
                raise UsageError(f"{name} must lie in (0, 10], not {value:g}", where="--defense-param")

    @classmethod
    def for_classes(cls, classes: int) -> Self:
        """The paper's parameters for a number of classes."""
        return cls(gamma=0.2 if classes >= 100 else 0.1)

    def respond(self, query: Query[T]) -> T:
        """The answer, ``[batch, classes]``."""
        ops, posterior = query.ops, query.posterior
        return ops.normalize(
            ops.add_scaled(posterior, reverse(ops, clipped(ops, posterior), self.gamma), self.beta / 2)
        )

    def margin(self, posterior: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Infinite: there is nothing to decide."""
        return np.full(posterior.shape[:-1], np.inf)
