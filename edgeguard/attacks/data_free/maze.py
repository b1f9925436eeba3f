"""MAZE: Kariyappa, Prakash and Qureshi, "MAZE: Data-Free Model Stealing Attack Using Zeroth-Order Gradient Estimation".

CVPR 2021. The loss of both networks is the Kullback-Leibler divergence. Before the generator's step the student learns
again from images asked before, which keeps it from forgetting and costs nothing. Both learning rates fall along a
cosine.

The paper's values are for millions of queries and students with BatchNorm: batches of 128, 10 directions, descent with
rates of 0.1 and 1e-4 for student and generator. These are for a tenth of that or less: smaller batches are more steps
for the same queries, and of 10 directions the generator would take two thirds of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from edgeguard.attacks.data_free.canvas import Canvas
from edgeguard.attacks.data_free.contest import Game, compete
from edgeguard.attacks.data_free.losses import divergence
from edgeguard.attacks.data_free.settings import Settings
from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.thief import Thief

__all__ = ["SETTINGS", "Maze"]

SETTINGS = Settings(
    batch=64,
    latent=100,
    width=8,
    student_steps=5,
    generator_steps=1,
    directions=1,
    epsilon=0.1,
    student_rate=1e-3,
    generator_rate=5e-4,
)


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
        game = Game(divergence, self.replays, self.memory)
        return compete(oracle, thief, queries, canvas, self.settings, game)
