"""Data-free model extraction: Truong, Maini, Walls and Papernot, "Data-Free Model Extraction" (CVPR 2021).

The student is taught the victim's logits, recovered from its posteriors, by their mean absolute difference, and the
generator is taught to make that difference large. Both learning rates fall to three tenths after a tenth, three tenths
and half of the attack.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from edgeguard.attacks.data_free.canvas import Canvas
from edgeguard.attacks.data_free.contest import Game, compete
from edgeguard.attacks.data_free.losses import logit_distance
from edgeguard.attacks.data_free.settings import Settings
from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.thief import Thief

__all__ = ["SETTINGS", "Dfme", "stepwise"]

_STEPS = (0.1, 0.3, 0.5)
_FALL = 0.3

SETTINGS = Settings(
    batch=256,
    latent=256,
    width=8,
    student_steps=5,
    generator_steps=1,
    directions=1,
    epsilon=1e-3,
    student_rate=1e-3,
    generator_rate=1e-4,
)


def stepwise(progress: float) -> float:
    """The part of the learning rates that is left, after a part of the attack."""
    return float(_FALL ** sum(progress >= step for step in _STEPS))


@dataclass(frozen=True, slots=True)
class Dfme:
    """The attack; see :class:`~edgeguard.attacks.data_free.protocol.DataFreeAttack`."""

    settings: Settings = field(default=SETTINGS)

    def __call__(self, oracle: Oracle, thief: Thief, queries: int, canvas: Canvas) -> nn.Module:
        """The clone."""
        return compete(oracle, thief, queries, canvas, self.settings, Game(logit_distance, stepwise))
