"""How near a network's logits are to those of the float network, over a stream of inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.errors import GuardFailed

__all__ = ["Compared", "Fidelity", "decibels"]

Array = np.ndarray[Any, Any]

# Of a posterior's entries before their logarithm is taken.
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What was found over ``images``.

    :param mse: mean squared difference of a logit.
    :param sqnr_db: signal to quantization noise ratio of the logits, 10 log10(sum of squares / sum of squared
        differences); ``None`` where nothing differs.
    :param kl: mean Kullback-Leibler divergence of the posterior from that of the float network, in nats.
    :param agreement: share of the images on which both have the same argmax, 0..1.
    """

    images: int
    mse: float
    sqnr_db: float | None
    kl: float
    agreement: float


class Compared:
    """Running sums; memory does not grow with what is compared."""

    def __init__(self) -> None:
        self._images = self._numbers = self._agreed = 0
        self._signal = self._noise = self._kl = 0.0

    def add(self, exact: Array, logits: Array) -> None:
        """Count a batch: logits of the float network and of the other one, each ``[n, classes]``.

        :raises GuardFailed: one is not finite.
        """
        one, other = exact.astype(np.float64), logits.astype(np.float64)
        if not np.isfinite(one).all() or not np.isfinite(other).all():
            raise GuardFailed("a logit is no finite number", fix="Look for NaN in the weights or the images")
        softmax = NumpyOps(np.float64).softmax
        p, q = (np.maximum(softmax(values), _LEAST) for values in (one, other))
        self._images += len(one)
        self._numbers += one.size
        self._agreed += int((one.argmax(axis=-1) == other.argmax(axis=-1)).sum())
        self._signal += float(np.square(one).sum())
        self._noise += float(np.square(other - one).sum())
        self._kl += float((p * np.log(p / q)).sum())

    @property
    def found(self) -> Fidelity:
        """What the sums say; there must have been a batch."""
        return Fidelity(
            images=self._images,
            mse=self._noise / self._numbers,
            sqnr_db=decibels(self._signal, self._noise),
            kl=max(0.0, self._kl / self._images),
            agreement=self._agreed / self._images,
        )


def decibels(signal: float, noise: float) -> float | None:
    """10 log10(signal / noise), both sums of squares; ``None`` without noise, and for noise on no signal at all."""
    return 10 * math.log10(signal / noise) if noise > 0 and signal > 0 else None
