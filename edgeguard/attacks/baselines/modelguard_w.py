"""ModelGuard-W: of all answers near the posterior, the one that says least of it.

Tang et al., "ModelGuard: Information-Theoretic Defense Against Model Extraction Attacks" (USENIX Security 2024), the
variant against any prior of the thief: ``minimize sum_j x_j log y_j`` under a bound on the L1 distance, argmax kept.
The authors call a solver of linear programs; ours is :mod:`edgeguard.attacks.baselines.extreme`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgeguard.attacks.baselines.extreme import extreme_answers
from edgeguard.attacks.baselines.protocol import Answerer, PeerVictim
from edgeguard.attacks.baselines.ranges import check_range

__all__ = ["ModelGuardW"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class ModelGuardW:
    """Parameters of ModelGuard-W.

    :param epsilon: largest L1 distance from the posterior, in [0, 2].
    """

    epsilon: float = 1.0

    name: ClassVar[str] = "modelguard-w"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the answer near the posterior that says least of it, argmax kept"
    source: ClassVar[str] = "Tang et al., USENIX Security 2024, ModelGuard-W"
    keeps_argmax: ClassVar[bool] = True
    remembers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse distances that there are not.

        :raises UsageError: naming the parameter.
        """
        check_range(self.name, "epsilon", self.epsilon, 0, 2)

    def answerer(self, victim: PeerVictim, seed: int) -> Answerer:  # noqa: ARG002  (nothing is drawn)
        """Answer from the posterior alone."""
        from edgeguard.attacks.baselines.networks import posteriors_of

        def answer(inputs: Array) -> Array:
            return extreme_answers(posteriors_of(victim.network, inputs), self.epsilon).astype(np.float32)

        return answer

    def shadow(self, posteriors: Array, seed: int) -> Array:  # noqa: ARG002  (nothing is secret)
        """What is answered: there is no secret."""
        return extreme_answers(posteriors.astype(np.float64), self.epsilon).astype(np.float32)
