"""DCP: a gated reverse sigmoid on the posterior, the defense of the seed paper.

Khaled et al., "Efficient Defense Against Model Stealing Attacks on Convolutional Neural Networks", arXiv 2309.01838, as
its released code computes it. With p the posterior and K classes::

    a   = 1 / (1 + exp(nu * (max p - beta)))
    r   = beta * (sigmoid(gamma * log(clip(p / (1 - p), 1e-12, 1 - 1e-12))) - 1/2)
    out = (p - a r) / sum(p - a r)

The clip stands before the logarithm, so r = 0 wherever p > 1/2: a confident top class is only diluted. The gate a makes
beta at once threshold and amplitude: below 1 it leaves confident answers alone, from about 1.2 on it perturbs all. The
argmax is not kept in general. Most of it can be undone by a learned inverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from edgeguard.defenses.head import Query
from edgeguard.defenses.margin import probability_margin
from edgeguard.defenses.reverse_sigmoid import clipped, reverse
from edgeguard.errors import UsageError

__all__ = ["Dcp"]

T = TypeVar("T")

# Where even max p = 1 leaves the gate's exponent below minus this, the gate is 1 in any float type.
_ALWAYS_OPEN = 40.0
# The gate is steep: a sum of more entries than this loses digits that it would see.
_FEW = 32


@dataclass(frozen=True, slots=True)
class Dcp:
    """Parameters of DCP.

    :param beta: gate threshold and amplitude, in (0, 2].
    :param gamma: steepness of the reverse sigmoid, in (0, 10]; the paper uses 0.2, and 0.1 for 100 classes.
    :param nu: steepness of the gate.
    """

    beta: float = 0.9
    gamma: float = 0.2
    nu: float = 1000.0

    name: ClassVar[str] = "dcp"
    version: ClassVar[int] = 1
    keeps_argmax: ClassVar[bool] = False
    tuned: ClassVar[tuple[str, float, float] | None] = ("beta", 0.05, 2.0)
    keyed: ClassVar[bool] = False
    operators: ClassVar[int] = 12
    summary: ClassVar[str] = "gated reverse sigmoid of the seed paper (arXiv 2309.01838)"
    attack: ClassVar[str] = "a learned inverse undoes most of it, from a few thousand known pairs"

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges.

        :raises UsageError: naming the parameter.
        """
        for name, high in (("beta", 2.0), ("gamma", 10.0), ("nu", 1e6)):
            value = getattr(self, name)
            if not 0 < value <= high:
                raise UsageError(f"{name} must lie in (0, {high:g}], not {value:g}", where="--defense-param")

    @classmethod
    def for_classes(cls, classes: int) -> Self:
        """The paper's parameters for a number of classes."""
        return cls(gamma=0.1 if classes >= 100 else 0.2)

    def respond(self, query: Query[T]) -> T:
        """The answer, ``[batch, classes]``.

        The clipped odds never exceed 1, so -a r is never negative and the rows can be normalised as they stand.
        """
        ops, posterior = query.ops, query.posterior
        low = clipped(ops, posterior)
        raised = reverse(ops, low, self.gamma)
        if self.nu * (self.beta - 1) < _ALWAYS_OPEN:
            raised = ops.mul(self._gate(query, low), raised)
        return ops.normalize(ops.add_scaled(posterior, raised, self.beta / 2))

    def _gate(self, query: Query[T], low: T) -> T:
        """The gate a, ``[batch, 1]``.

        With q the posterior cut at 1/2, max p = 3/2 - sum q wherever max p >= 1/2; below, 3/2 - sum q is 1/2, which
        opens the gate all the same if beta lies well above. A sum of few entries costs a node less than a maximum.
        """
        ops, classes = query.ops, query.head.classes
        if classes <= _FEW and self.nu * (self.beta - 0.5) >= _ALWAYS_OPEN:
            return ops.sigmoid_of_sum(low, classes, self.nu, self.nu * (self.beta - 1.5))
        return ops.sigmoid_of_sum(ops.reduce_max(query.posterior), 1, -self.nu, self.nu * self.beta)

    def margin(self, posterior: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Distance to the gate, whose only decision is whether max p lies above beta; from 1 on it never closes."""
        if self.beta >= 1:
            return np.full(posterior.shape[:-1], np.inf)
        return probability_margin(posterior, self.beta)
