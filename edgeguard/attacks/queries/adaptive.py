"""Images chosen by what earlier ones were worth: KnockoffNets' adaptive strategy (Orekondy et al., CVPR 2019, 4.1.2).

A gradient bandit draws a class of the pool, and an image of it. With H the preferences of the classes, pi their
softmax, z the class drawn, N(z) how often it was, r the reward and rbar the mean of the last 25 rewards::

    H(z)  += (r - rbar) (1 - pi(z))  / N(z)
    H(z') -= (r - rbar) pi(z')       / N(z)      for all other classes

The reward is the mean of three, each in 0..1, as in the paper's combination of them::

    certainty   the largest entry of the answer less the second largest
    diversity   sum over classes of max(0, answer - mean of the 25 answers before)
    loss        1 - exp(-L), L the cross entropy between the answer and what the student says

Where the paper trains its student on every answer, this one is trained anew between rounds: before the first there is
none, and no loss. The paper scales rewards into 0..1 without saying how; 1 - exp(-L) needs no running extremes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.prior import posteriors_of
from edgeguard.attacks.queries.rounds import interim_student, joined
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.training import predict
from edgeguard.attacks.transfer import Pool, TransferSet
from edgeguard.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Bandit", "adaptive_queries", "rewards"]

Array = np.ndarray[Any, Any]

# The student is trained this often, less once: the last answers go to the clone itself.
_ROUNDS = 4
# Images asked before preferences change again, and rewards that the baseline is the mean of.
_BLOCK = 25
_TINY = 1e-7


class Bandit:
    """Draws images of a pool, each at most once, and learns which classes are worth it.

    :param labels: the class of each image, int64 ``[n]``.
    """

    def __init__(self, labels: Array, rng: np.random.Generator) -> None:
        self._classes, self._own = np.unique(labels, return_inverse=True)
        self._rng = rng
        self._left = [list(rng.permutation(np.flatnonzero(self._own == own))) for own in range(len(self._classes))]
        self._preferences = np.zeros(len(self._classes))
        self._drawn = np.zeros(len(self._classes), np.int64)
        self._recent: list[float] = []

    @property
    def policy(self) -> Array:
        """The probability of each class that the pool has, in ascending order; none of what is used up."""
        left = np.array([bool(images) for images in self._left])
        highest = self._preferences[left].max() if left.any() else 0.0
        powers = np.where(left, np.exp(np.minimum(self._preferences - highest, 0)), 0.0)
        return np.asarray(powers / max(powers.sum(), _TINY))

    def draw(self, count: int) -> Array:
        """Indices of images, int64 ``[count]``; at most as many as are left."""
        chosen = np.empty(count, np.int64)
        for place in range(count):
            own = int(self._rng.choice(len(self._classes), p=self.policy))
            self._drawn[own] += 1
            chosen[place] = self._left[own].pop()
        return chosen

    def learn(self, images: Array, rewards: Array) -> None:
        """Prefer the classes of well rewarded images, in the order in which they were drawn."""
        for own, reward in zip(self._own[images], rewards, strict=True):
            baseline = float(np.mean(self._recent)) if self._recent else float(reward)
            powers = np.exp(self._preferences - self._preferences.max())
            change = np.eye(len(powers))[own] - powers / powers.sum()
            self._preferences += (float(reward) - baseline) / self._drawn[own] * change
            self._recent = [*self._recent, float(reward)][-_BLOCK:]


def rewards(answers: Array, mean: Array, said: Array | None) -> Array:
    """What answers were worth, float64 ``[n]``, in 0..1.

    :param answers: ``[n, classes]``.
    :param mean: of the answers before, ``[classes]``.
    :param said: what the student said, distributions ``[n, classes]``; ``None`` before there is one.
    """
    ordered = np.sort(answers, axis=1)
    parts = [ordered[:, -1] - ordered[:, -2], np.maximum(answers - mean, 0).sum(axis=1)]
    if said is not None:
        parts.append(1 - np.exp((answers * np.log(np.maximum(said, _TINY))).sum(axis=1)))
    return np.asarray(np.mean(parts, axis=0, dtype=np.float64))


def adaptive_queries(oracle: Oracle, pool: Pool, queries: int, strategy: Strategy, thief: Thief) -> TransferSet:
    """Each image of the pool at most once, in blocks; a student between rounds.

    :raises UsageError: the pool has no labels, or too few images.
    """
    if pool.labels is None:
        raise UsageError(
            "adaptive queries choose among the classes of the thief's images, and these have none",
            fix="Name a pool with labels, or choose random queries",
        )
    images = queries // strategy.cost
    if not 1 <= images <= len(pool):
        raise UsageError(
            f"{queries} queries of {strategy.cost} an image ask for {images} images, and the thief has {len(pool)}",
            fix="Name a number of queries that his images allow",
        )
    bandit = Bandit(pool.labels, np.random.default_rng(thief.seed))
    bought: list[TransferSet] = []
    student: nn.Module | None = None
    trained = 1
    for start in range(0, images, _BLOCK):
        if start >= trained * images / _ROUNDS:
            student = interim_student(joined(bought), strategy, thief)
            trained += 1
        chosen = bandit.draw(min(_BLOCK, images - start))
        part = strategy.asking(oracle, pool.inputs[chosen], thief.seed + start)
        before = bought[-1] if bought else part
        said = None if student is None else posteriors_of(predict(student, part.inputs))
        bandit.learn(chosen, rewards(part.answers, before.answers.mean(axis=0), said))
        bought.append(part)
    return joined(bought)
