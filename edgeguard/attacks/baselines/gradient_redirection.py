"""GRAD^2: the answer that moves the thief's clone the farthest along a direction of the owner's.

Mazeika, Li and Forsyth, "How to Steer Your Adversary: Targeted and Efficient Model Stealing Defenses with Gradient
Redirection" (ICML 2022), eq. 3 and algorithm 1. With G the Jacobian of the surrogate's log-probabilities in all of its
weights and z the direction, maximize ``x G z`` over answers x within an L1 distance of eps: a linear program, which a
greedy fill solves. ``G z`` comes by two backward passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgeguard.attacks.baselines.protocol import Answerer, PeerVictim
from edgeguard.attacks.baselines.ranges import check_choice, check_range
from edgeguard.attacks.baselines.simplex import redirected
from edgeguard.errors import UsageError

__all__ = ["GradientRedirection"]

Array = np.ndarray[Any, Any]

DIRECTIONS = ("ones", "against")
# Images that the mean gradient is taken over.
_AVERAGED = 500


@dataclass(frozen=True, slots=True)
class GradientRedirection:
    """Parameters of GRAD^2.

    :param epsilon: largest L1 distance from the posterior, in [0, 2]; from 1 on, sure answers change their argmax.
    :param direction: ``ones`` raises every weight, as the paper does; ``against`` goes back on the mean gradient of the
        owner's images.
    :param epochs: passes over the owner's images that the surrogate is taught in; 0 leaves it random.
    :param student: its architecture, as ``resnet20/4``; empty for the victim's.
    """

    epsilon: float = 0.9
    direction: str = "ones"
    epochs: int = 0
    student: str = ""

    name: ClassVar[str] = "grad2"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "moves a surrogate of the thief's clone along a direction of the owner's"
    source: ClassVar[str] = "Mazeika et al., ICML 2022, algorithm 1"
    keeps_argmax: ClassVar[bool] = False
    remembers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges.

        :raises UsageError: naming the parameter.
        """
        check_range(self.name, "epsilon", self.epsilon, 0, 2)
        check_choice(self.name, "direction", self.direction, DIRECTIONS)
        check_range(self.name, "epochs", self.epochs, 0, 1000)

    def answerer(self, victim: PeerVictim, seed: int) -> Answerer:
        """Draw or teach the surrogate, and answer with its gradients.

        :raises UsageError: the surrogate or the direction needs images that the victim has not.
        """
        import torch

        from edgeguard.attacks.baselines.gradients import all_weights, answer_gradient, scores_along
        from edgeguard.attacks.baselines.networks import fit_surrogate, posteriors_of

        surrogate = fit_surrogate(victim, self.student, self.epochs, seed)
        if self.direction == "ones":
            direction = [torch.ones_like(entry) for entry in all_weights(surrogate)]
        elif victim.images is None:
            raise UsageError("the mean gradient is that of the owner's images, and there are none", where=self.name)
        else:
            known = victim.images[:_AVERAGED]
            mean = answer_gradient(surrogate, known, posteriors_of(victim.network, known))
            direction = [-entry for entry in mean]

        def answer(inputs: Array) -> Array:
            scores = scores_along(surrogate, direction, inputs)
            return redirected(posteriors_of(victim.network, inputs), scores, self.epsilon).astype(np.float32)

        return answer

    def shadow(self, posteriors: Array, seed: int) -> Array:
        """The answers if every query had an order of classes of its own: that of the surrogate is its secret."""
        scores = np.asarray(np.random.default_rng(seed).standard_normal(posteriors.shape))
        return redirected(posteriors.astype(np.float64), scores, self.epsilon).astype(np.float32)
