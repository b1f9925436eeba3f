"""Adaptive Misinformation: unsure answers are taken from a second network that learnt to be wrong.

Kariyappa and Qureshi, "Defending Against Model Stealing Attacks with Adaptive Misinformation" (CVPR 2020), eq. 5 to 7.
With f the network, g the second one, both ending in softmax::

    a   = 1 / (1 + exp(nu * (max f(x) - tau)))
    out = (1 - a) f(x) + a g(x)

and g made small in the mean of ``-log(1 - g_y(x))`` over training images of class y. The paper's network is trained to
be unsure of outliers (outlier exposure); ours is whatever victim there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgeguard.attacks.baselines.protocol import Answerer, PeerVictim
from edgeguard.attacks.baselines.ranges import check_range
from edgeguard.errors import UsageError

__all__ = ["AdaptiveMisinformation"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class AdaptiveMisinformation:
    """Parameters of Adaptive Misinformation.

    :param tau: answers whose largest probability lies below are wrong ones, in [0, 1.1]: above 1 all are.
    :param nu: steepness of the gate.
    :param epochs: passes over the images that the second network learns from.
    :param student: its architecture, as ``resnet20/4``; empty for the victim's.
    """

    tau: float = 0.9
    nu: float = 1000.0
    epochs: int = 5
    student: str = ""

    name: ClassVar[str] = "adaptive-misinformation"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "unsure answers come from a second network that learnt to be wrong"
    source: ClassVar[str] = "Kariyappa and Qureshi, CVPR 2020, eq. 5 to 7"
    keeps_argmax: ClassVar[bool] = False
    remembers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges.

        :raises UsageError: naming the parameter.
        """
        check_range(self.name, "tau", self.tau, 0, 1.1)
        check_range(self.name, "nu", self.nu, 1, 1e6)
        check_range(self.name, "epochs", self.epochs, 1, 1000)

    def answerer(self, victim: PeerVictim, seed: int) -> Answerer:
        """Train the second network, and answer with both.

        :raises UsageError: the victim has no images.
        """
        from edgeguard.attacks.baselines.networks import fit_misinformation, posteriors_of

        if victim.images is None:
            raise UsageError("a second network needs images to learn from", where=self.name)
        wrong = fit_misinformation(victim, self.student, self.epochs, seed)

        def answer(inputs: Array) -> Array:
            right = posteriors_of(victim.network, inputs)
            return self.mixed(right, posteriors_of(wrong, inputs)).astype(np.float32)

        return answer

    def mixed(self, right: Array, wrong: Array) -> Array:
        """The answers, from both networks' posteriors, float64 ``[n, classes]``."""
        exponent = np.clip(self.nu * (right.max(axis=1, keepdims=True) - self.tau), -500, 500)
        share = 1 / (1 + np.exp(exponent))
        return np.asarray((1 - share) * right + share * wrong)

    def shadow(self, posteriors: Array, seed: int) -> Array:
        """Wrong answers that have nothing to do with the right ones: those to something else."""
        order = np.random.default_rng(seed).permutation(len(posteriors))
        return self.mixed(posteriors.astype(np.float64), posteriors[order].astype(np.float64)).astype(np.float32)
