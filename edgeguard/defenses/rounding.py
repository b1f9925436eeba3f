"""Round: the posterior to a few decimals.

With step = 10^-digits and p the posterior::

    out ∝ round(p, digits) + step * one_hot(argmax p)

The step added at the argmax keeps it first among entries that round alike, and the sum positive: of 1,000 classes none
may reach half a step, and plain rounding would leave nothing. Tramèr et al., "Stealing Machine Learning Models via
Prediction APIs", USENIX Security 2016, proposed rounding; the added step is our own. It stops the solving of equations
and little else: one digit of a confident network already says nearly what a label says, and more digits say more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from edgeguard.defenses.head import Query
from edgeguard.defenses.margin import log_odds
from edgeguard.errors import UsageError

__all__ = ["Round"]

T = TypeVar("T")
# Float32 holds no more of a probability near 1.
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Round:
    """Parameters of rounding.

    :param digits: decimals that are kept, 1..6.
    """

    digits: int = 1

    name: ClassVar[str] = "round"
    version: ClassVar[int] = 1
    keeps_argmax: ClassVar[bool] = True
    tuned: ClassVar[tuple[str, float, float] | None] = None
    keyed: ClassVar[bool] = False
    operators: ClassVar[int] = 6
    summary: ClassVar[str] = "the posterior to a few decimals, one more step at the class (Tramèr et al. 2016)"
    attack: ClassVar[str] = "training on the answers as they are: a label is true, and the digits add to it"

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges.

        :raises UsageError: naming the parameter.
        """
        if not 1 <= self.digits <= _MOST_DIGITS:
            raise UsageError(f"digits must lie in 1..{_MOST_DIGITS}, not {self.digits}", where="--defense-param")

    @classmethod
    def for_classes(cls, classes: int) -> Self:  # noqa: ARG003  (the same for any number)
        """The default parameters."""
        return cls()

    def respond(self, query: Query[T]) -> T:
        """The answer, ``[batch, classes]``, counted in steps before it is normalised: whole numbers are exact."""
        ops = query.ops
        counted = ops.round(ops.mul(query.posterior, float(10**self.digits)))
        return ops.normalize(ops.add(counted, query.one_hot))

    def margin(self, posterior: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Distance of the entry that is nearest to where it rounds otherwise.

        Moving every logit by d multiplies the odds of an entry by exp(2 d) at most.
        """
        steps = 10**self.digits
        counted = np.rint(posterior * steps)
        # Of 0 there is no border below, of 1 none above.
        below = np.where(counted > 0, (counted - 0.5) / steps, 0.0)
        above = np.where(counted < steps, (counted + 0.5) / steps, 1.0)
        with np.errstate(divide="ignore"):
            borders = np.log(below) - np.log1p(-below), np.log(above) - np.log1p(-above)
        odds = log_odds(posterior)
        # An entry of exactly 0 or 1 has infinite odds, and so has the border that it has not: their distance is no
        # number, and no limit.
        with np.errstate(invalid="ignore"):
            nearest = np.fmin(np.abs(odds - borders[0]), np.abs(borders[1] - odds))
        smallest: np.ndarray[Any, Any] = nearest.min(axis=-1) / 2
        return smallest
