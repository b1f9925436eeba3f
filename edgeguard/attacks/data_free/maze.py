"""MAZE: Kariyappa, Prakash and Qureshi, "MAZE: Data-Free Model Stealing Attack Using Zeroth-Order Gradient Estimation".

CVPR 2021. Loss of both networks is the Kullback-Leibler divergence; between the student's new images and the
generator's step it learns again from images asked before, which keeps it from forgetting and costs nothing. Both
learning rates fall along a cosine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import nn

from edgeguard.attacks.data_free.canvas import Canvas
from edgeguard.attacks.data_free.contest import Game, compete
from edgeguard.attacks.data_free.losses import divergence
from edgeguard.attacks.data_free.settings import Settings
from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.thief import Thief

__all__ = ["SETTINGS", "Maze", "cosine"]

SETTINGS = Settings(
    batch=128,
    latent=100,
    width=8,
    student_steps=5,
    generator_steps=1,
    directions=10,
    epsilon=1e-3,
    student_rate=1e-3,
    generator_rate=1e-3,
)


def cosine(progress: float) -> float:
    """The part of the learning rates that is left, after a part of the attack."""
    return (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True, slots=True)
class Maze:
    """The attack; see :class:`~edgeguard.attacks.data_free.protocol.DataFreeAttack`.

    :param replays: steps a round on images that were asked before.
    :param memory: batches that are remembered for it.
    """

    settings: Settings = field(default=SETTINGS)
    replays: int = 10
    memory: int = 1000

    def __call__(self, oracle: Oracle, thief: Thief, queries: int, canvas: Canvas) -> nn.Module:
        """The clone."""
        game = Game(divergence, cosine, self.replays, self.memory)
        return compete(oracle, thief, queries, canvas, self.settings, game)
