"""The thief: what he trains, how, and what he knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edgeguard.attacks.knowledge import NOTHING, Knowledge
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student
from edgeguard.attacks.transfer import Lesson

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Thief", "Trainer"]


class Trainer(Protocol):
    """Trains a student; :func:`edgeguard.attacks.training.train` does, and an evaluation puts a cache before it."""

    def __call__(self, student: Student, lesson: Lesson, recipe: Recipe, seed: int) -> nn.Module:
        """The trained network, in evaluation mode, answering with logits ``[n, classes]``."""


@dataclass(frozen=True, slots=True)
class Thief:
    """Everything an attack needs beside the oracle and the images.

    :param student: the architecture of his clones.
    :param seed: of all that is drawn.
    """

    student: Student
    recipe: Recipe
    train: Trainer
    knowledge: Knowledge = NOTHING
    seed: int = 0
