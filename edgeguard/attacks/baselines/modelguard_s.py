"""ModelGuard-S: answers are earlier answers, as long as one is near enough.

Tang et al., "ModelGuard: Information-Theoretic Defense Against Model Extraction Attacks" (USENIX Security 2024), the
variant that minimizes the entropy of what is answered, by ordered incremental quantization. Each class has a list of
codes. A posterior is answered with the first code of its class within an L1 distance of eps; if there is none, it
becomes the last code itself. The first, not the nearest: the same posterior is answered alike for ever, and early codes
are used the most, which makes the entropy small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgeguard.attacks.baselines.protocol import Answerer, PeerVictim
from edgeguard.attacks.baselines.ranges import check_range

__all__ = ["ModelGuardS", "Quantizer"]

Array = np.ndarray[Any, Any]


class Quantizer:
    """The codes so far.

    :param epsilon: largest L1 distance from a posterior to its answer.
    """

    def __init__(self, classes: int, epsilon: float) -> None:
        self._epsilon = epsilon
        self._codes = [np.empty((0, classes))] * classes

    @property
    def codes(self) -> tuple[Array, ...]:
        """Of each class, the oldest first, float64 ``[m, classes]``."""
        return tuple(self._codes)

    def answer(self, posteriors: Array) -> Array:
        """The answers, one after the other, float64 ``[n, classes]``."""
        return np.array([self._one(row) for row in posteriors])

    def _one(self, posterior: Array) -> Array:
        top = int(posterior.argmax())
        codes = self._codes[top]
        near = np.abs(codes - posterior).sum(axis=1) <= self._epsilon
        if near.any():
            return np.asarray(codes[near.argmax()])
        self._codes[top] = np.concatenate([codes, posterior[None]])
        return posterior


@dataclass(frozen=True, slots=True)
class ModelGuardS:
    """Parameters of ModelGuard-S.

    :param epsilon: largest L1 distance from the posterior, in [0, 2].
    """

    epsilon: float = 1.0

    name: ClassVar[str] = "modelguard-s"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the oldest answer of the same class that is near enough; it remembers answers"
    source: ClassVar[str] = "Tang et al., USENIX Security 2024, ModelGuard-S"
    keeps_argmax: ClassVar[bool] = True
    remembers: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse distances that there are not.

        :raises UsageError: naming the parameter.
        """
        check_range(self.name, "epsilon", self.epsilon, 0, 2)

    def answerer(self, victim: PeerVictim, seed: int) -> Answerer:  # noqa: ARG002  (nothing is drawn)
        """Answer from the posterior and from earlier answers, of which there are none yet."""
        from edgeguard.attacks.baselines.networks import posteriors_of

        quantizer = Quantizer(victim.classes, self.epsilon)

        def answer(inputs: Array) -> Array:
            return quantizer.answer(posteriors_of(victim.network, inputs)).astype(np.float32)

        return answer

    def shadow(self, posteriors: Array, seed: int) -> Array:
        """The answers of a quantizer of the thief's, asked in an order of his own."""
        order = np.random.default_rng(seed).permutation(len(posteriors))
        answers = np.empty(posteriors.shape, np.float32)
        answers[order] = Quantizer(posteriors.shape[1], self.epsilon).answer(posteriors[order].astype(np.float64))
        return answers
