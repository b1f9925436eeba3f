"""Noise: every entry of the posterior is moved by an amount that a key and the query decide.

With q the logits in steps of their grid, counted from 0, P = 4093 a prime, and k, a, b drawn from the key::

    r   = sum_i k_i q_i mod P
    u_j = (a_j r + b_j mod P) / (P - 1)
    out ∝ max(p + amplitude (2 u - 1), 1e-4)

A linear hash: all numbers are integers below 2^24, which float32 holds exactly, so that every backend finds the same
noise. Random noise is the defense that others are held against; drawn by a hash it is the same for the same query, and
asking again gains nothing. But a tiny change of the input gives other noise, so that the mean over changed inputs is
free of it; and there are only P different ones. Own design.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from edgeguard.defenses.head import Query
from edgeguard.errors import UsageError
from edgeguard.keys import MasterKey

__all__ = ["Noise", "most_weight"]

T = TypeVar("T")
Array = np.ndarray[Any, Any]

# The largest prime whose square float32 holds exactly.
_PRIME = 4093
_EXACT = 1 << 24
_LAST_STEP = 255
_CENTRE = 128
# Entries never fall to zero: a row may lose all it has. Smaller, and such a row would magnify the rounding of floats.
_LEAST = 1e-4


def most_weight(classes: int) -> int:
    """The largest weight of a logit in the hash for which sums over all classes stay exact in float32.

    :raises UsageError: there are more classes than can be summed.
    """
    most = min(_PRIME - 1, (_EXACT - 1) // (_LAST_STEP * classes))
    if most < 1:
        raise UsageError(
            f"the noise of {classes} classes cannot be computed exactly",
            where="--defense",
            fix="Choose another defense (see: edgeguard defenses)",
        )
    return most


# No slots: they leave no room for what is computed once.
@dataclass(frozen=True)
class Noise:
    """Parameters of the noise, and what the key drew.

    :param amplitude: the most that an entry is moved by before the answer is normalised, in (0, 1].
    :param weights: k, from 1 to :func:`most_weight`, one for each class.
    :param factors: a, from 1 to P - 1.
    :param offsets: b, from 0 to P - 1.
    """

    amplitude: float = 0.2
    weights: tuple[int, ...] = ()
    factors: tuple[int, ...] = ()
    offsets: tuple[int, ...] = ()

    name: ClassVar[str] = "noise"
    version: ClassVar[int] = 1
    keeps_argmax: ClassVar[bool] = False
    tuned: ClassVar[tuple[str, float, float] | None] = ("amplitude", 0.01, 1.0)
    keyed: ClassVar[bool] = True
    operators: ClassVar[int] = 12
    summary: ClassVar[str] = "noise drawn by a keyed hash of the logits: the same for the same query"
    attack: ClassVar[str] = "the mean over slightly changed inputs: each has other noise"

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges.

        :raises UsageError: naming the parameter.
        """
        if not 0 < self.amplitude <= 1:
            raise UsageError(f"amplitude must lie in (0, 1], not {self.amplitude:g}", where="--defense-param")

    @classmethod
    def for_classes(cls, classes: int) -> Self:
        """Noise of the same sum for any number of classes: spread over 1,000 the default would leave nothing else."""
        return cls(min(0.2, 2 / classes))

    def drawn(self, key: MasterKey, classes: int) -> Self:
        """With the hash that a key gives.

        :raises UsageError: there are more classes than can be hashed exactly.
        """
        stream = key.stream("noise", classes)
        weights = stream.integers(most_weight(classes), classes) + 1
        factors = stream.integers(_PRIME - 1, classes) + 1
        offsets = stream.integers(_PRIME, classes)
        return replace(
            self, weights=tuple(weights.tolist()), factors=tuple(factors.tolist()), offsets=tuple(offsets.tolist())
        )

    def respond(self, query: Query[T]) -> T:
        """The answer, ``[batch, classes]``.

        :raises UsageError: the hash was never drawn, or for another number of classes.
        """
        ops = query.ops
        if not len(self.weights) == len(self.factors) == len(self.offsets) == query.head.classes:
            raise UsageError("the noise was never drawn", fix="Pass --key")
        drawn = ops.mod(ops.affine(ops.mod(ops.affine(query.steps, *self._sum), _PRIME), *self._spread), _PRIME)
        moved = ops.add(query.posterior, ops.mul(drawn, 2 * self.amplitude / (_PRIME - 1)))
        return ops.normalize(ops.clip(ops.sub(moved, self.amplitude), _LEAST, 2.0))

    def margin(self, posterior: Array) -> Array:
        """Zero, so that no input is golden: one step of one logit gives other noise, and none is ever that sure."""
        return np.zeros(posterior.shape[:-1])

    @cached_property
    def _sum(self) -> tuple[Array, Array]:
        """From the steps, -128 ... 127, to the sum before its remainder."""
        weights = np.array(self.weights, np.float32)[:, None]
        return weights, _CENTRE * weights.sum(axis=0)

    @cached_property
    def _spread(self) -> tuple[Array, Array]:
        """From r to what each class gets."""
        return np.array([self.factors], np.float32), np.array(self.offsets, np.float32)
