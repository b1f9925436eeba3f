"""MAZE: Kariyappa, Prakash and Qureshi, "MAZE: Data-Free Model Stealing Attack Using Zeroth-Order Gradient Estimation".

CVPR 2021. The loss of both networks is the Kullback-Leibler divergence. Before the generator's step the student learns
again from images asked before, which keeps it from forgetting and costs nothing. Both learning rates fall along a
cosine.

The paper's values are for millions of queries and students with BatchNorm: batches of 128, 10 directions, descent with
rates of 0.1 and 1e-4 for student and generator. These are for a tenth of that or less: smaller batches are more steps
for the same queries, and of 10 directions the generator would take two thirds of them.
"""

from __future__ import annotations

from edgeguard.attacks.data_free.contest import DataFreeAttack, Game
from edgeguard.attacks.data_free.losses import divergence
from edgeguard.attacks.data_free.settings import Settings

__all__ = ["MAZE"]

MAZE = DataFreeAttack(
    Settings(
        batch=64,
        latent=100,
        width=8,
        student_steps=5,
        generator_steps=1,
        directions=1,
        epsilon=0.1,
        student_rate=1e-3,
        generator_rate=5e-4,
    ),
    Game(divergence, replays=10, memory=1000),
)
