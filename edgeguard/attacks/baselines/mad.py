"""MAD: the answer that turns the gradient of the thief's clone away the most.

Orekondy, Schiele and Fritz, "Prediction Poisoning" (ICLR 2020), eq. 4 to 7 and algorithm 1. With G the Jacobian of
the surrogate's log-probabilities in its weights and y the posterior, maximize over answers x::

    H(x) = | G'x / |G'x| - G'y / |G'y| |^2    where    |x - y|_1 <= eps

by their heuristic: H is largest at an extreme point of the distributions, which are few, and the answer is on the
straight way there, as far as eps allows. For MAD, the extreme points are single classes. For MAD-argmax, which keeps
the argmax, they are sets of classes, the top one among them, with as much for each and a trifle more for the top: all
sets up to ten classes; beyond, sets that grow by the best class each time, as in the paper's appendix.

The surrogate has random weights in the paper's default, and the weights of G are its last matrix.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgeguard.attacks.baselines.protocol import Answerer, PeerVictim
from edgeguard.attacks.baselines.ranges import check_choice, check_range
from edgeguard.attacks.baselines.simplex import moved_towards

__all__ = ["Mad", "MadArgmax", "angular_deviation"]

Array = np.ndarray[Any, Any]

LAYERS = ("last", "all")
# What the top class has more than the others of its set.
_TRIFLE = 1e-5
# Up to here all sets are tried.
_FEW = 10


@dataclass(frozen=True, slots=True)
class _Parameters:
    """Parameters of MAD.

    :param epsilon: largest L1 distance from the posterior, in [0, 2]; from 1 on, sure answers change their argmax in
        MAD.
    :param layers: whose weights the gradients are of: ``last`` or ``all``.
    :param epochs: passes over the owner's images that the surrogate is taught in; 0 leaves it random.
    :param student: its architecture, as ``resnet20/4``; empty for the victim's.
    """

    epsilon: float = 0.9
    layers: str = "last"
    epochs: int = 0
    student: str = ""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges.

        :raises UsageError: naming the parameter.
        """
        check_range(self.name, "epsilon", self.epsilon, 0, 2)
        check_choice(self.name, "layers", self.layers, LAYERS)
        check_range(self.name, "epochs", self.epochs, 0, 1000)

    def answerer(self, victim: PeerVictim, seed: int) -> Answerer:
        """Draw or teach the surrogate, and answer with its gradients.

        :raises UsageError: the surrogate needs images that the victim has not.
        """
        from edgeguard.attacks.baselines.gradients import all_weights, gradient_products, last_weights
        from edgeguard.attacks.baselines.networks import fit_surrogate, posteriors_of

        surrogate = fit_surrogate(victim, self.student, self.epochs, seed)
        weights = all_weights(surrogate) if self.layers == "all" else last_weights(surrogate, victim.classes)

        def answer(inputs: Array) -> Array:
            products = gradient_products(surrogate, weights, inputs)
            return self.answers(posteriors_of(victim.network, inputs), products).astype(np.float32)

        return answer

    def answers(self, posteriors: Array, products: Array) -> Array:
        """What is answered, float64 ``[n, classes]``.

        :param products: of the rows of G, ``[n, classes, classes]``.
        """
        rows = zip(posteriors, products, strict=True)
        targets = np.array([self.extreme(posterior, product) for posterior, product in rows])
        return moved_towards(posteriors, targets.reshape(posteriors.shape), self.epsilon)

    def extreme(self, posterior: Array, product: Array) -> Array:
        """The extreme point of the largest deviation, ``[classes]``."""
        raise NotImplementedError

    def shadow(self, posteriors: Array, seed: int) -> Array:
        """The answers with a surrogate of the thief's, as undecided as a random network is.

        Gradients of the last matrix are ``(e_k - s) h'``, with s what the surrogate answers and h what that layer
        sees: their angles depend on s alone.
        """
        classes = posteriors.shape[1]
        noise = np.random.default_rng(seed).normal(0, 0.1, posteriors.shape)
        guessed = np.exp(noise) / np.exp(noise).sum(axis=1, keepdims=True)
        rows = np.eye(classes) - guessed[:, None]
        products = rows @ rows.transpose(0, 2, 1)
        return self.answers(posteriors.astype(np.float64), products).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Mad(_Parameters):
    """MAD, which may change the argmax."""

    name: ClassVar[str] = "mad"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "turns the gradient of a surrogate of the thief's clone away the most"
    source: ClassVar[str] = "Orekondy et al., ICLR 2020, eq. 4 to 7"
    keeps_argmax: ClassVar[bool] = False
    remembers: ClassVar[bool] = False

    def extreme(self, posterior: Array, product: Array) -> Array:
        """One class."""
        return _farthest(np.eye(len(posterior)), posterior, product)[0]


@dataclass(frozen=True, slots=True)
class MadArgmax(_Parameters):
    """MAD that keeps the argmax."""

    name: ClassVar[str] = "mad-argmax"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "MAD among the answers that keep the argmax"
    source: ClassVar[str] = "Orekondy et al., ICLR 2020, eq. 4 to 7 and appendix"
    keeps_argmax: ClassVar[bool] = True
    remembers: ClassVar[bool] = False

    def extreme(self, posterior: Array, product: Array) -> Array:
        """A set of classes, the top one among them."""
        classes, top = len(posterior), int(posterior.argmax())
        if classes <= _FEW:
            return _farthest(_all_sets(classes, top), posterior, product)[0]
        chosen = np.zeros(classes)
        chosen[top] = 1
        best, deviation = _farthest(_even(chosen[None], top), posterior, product)
        while not chosen.all():
            missing = np.flatnonzero(chosen == 0)
            larger = np.maximum(chosen, np.eye(classes)[missing])
            found, reached = _farthest(_even(larger, top), posterior, product)
            chosen = (found > 0).astype(np.float64)
            if reached > deviation:
                best, deviation = found, reached
        return best


def angular_deviation(answers: Array, posterior: Array, product: Array) -> Array:
    """H of answers, from 0 to 4; 0 where a gradient vanishes, as it has no direction.

    :param answers: ``[m, classes]``.
    :param posterior: ``[classes]``.
    :param product: of the rows of G, ``[classes, classes]``.
    """
    lengths = np.einsum("mj,jk,mk->m", answers, product, answers) * (posterior @ product @ posterior)
    along = answers @ product @ posterior
    cosine = np.divide(along, np.sqrt(np.maximum(lengths, 0)), out=np.ones_like(along), where=lengths > 0)
    return np.asarray(2 - 2 * np.clip(cosine, -1, 1))


def _farthest(candidates: Array, posterior: Array, product: Array) -> tuple[Array, float]:
    deviations = angular_deviation(candidates, posterior, product)
    best = int(deviations.argmax())
    return candidates[best], float(deviations[best])


@functools.cache
def _all_sets(classes: int, top: int) -> Array:
    sets = np.array(list(itertools.product((0.0, 1.0), repeat=classes)))
    return _even(sets[sets[:, top] > 0], top)


def _even(sets: Array, top: int) -> Array:
    weighted = sets.copy()
    weighted[:, top] += _TRIFLE
    return np.asarray(weighted / weighted.sum(axis=1, keepdims=True))
