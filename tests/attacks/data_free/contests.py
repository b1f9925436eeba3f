"""Small contests: images of 16 x 16, or of 8 x 8 for linear students, and a linear victim that keeps its queries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from edgeguard.attacks.black_box import BlackBox
from edgeguard.attacks.data_free.canvas import Canvas, canvas_of
from edgeguard.attacks.data_free.dfme import DFME
from edgeguard.attacks.data_free.maze import MAZE
from edgeguard.attacks.prior import posteriors_of
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student, parse_student
from edgeguard.attacks.thief import Thief
from edgeguard.preprocess import Preprocess
from tests.attacks.stubs import RidgeTrainer, linear_logits

__all__ = ["CANVAS", "CLASSES", "SMALL_DFME", "SMALL_MAZE", "TINY_CANVAS", "Counting", "linear_student", "thief"]

Array = np.ndarray[Any, Any]

CLASSES = 5
_PREPROCESS = Preprocess((16, 16), colour="grey", mean=(0.5,), std=(0.25,))
SMALL_DFME = replace(
    DFME,
    settings=replace(DFME.settings, batch=8, latent=16, width=4),
    game=replace(DFME.game, replays=1, memory=4),
)
SMALL_MAZE = replace(
    MAZE,
    settings=replace(MAZE.settings, batch=8, latent=16, width=4, directions=2),
    game=replace(MAZE.game, replays=2, memory=4),
)


class Counting:
    """A linear victim which keeps what it was asked."""

    def __init__(self, size: int = 16) -> None:
        self.blocks: list[Array] = []
        self.box = BlackBox("counting", self._answer, (1, size, size), replace(_PREPROCESS, size=(size, size)))

    @property
    def asked(self) -> Array:
        """All queries, in order."""
        return np.concatenate(self.blocks)

    def _answer(self, inputs: Array) -> Array:
        self.blocks.append(inputs.copy())
        return posteriors_of(linear_logits(inputs, CLASSES))


CANVAS: Canvas = canvas_of(Counting().box)
TINY_CANVAS: Canvas = canvas_of(Counting(8).box)


def linear_student(student: Student, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """In the place of :func:`edgeguard.attacks.students.registry.build`: the victim's own architecture."""
    assert student.name == "lenet"
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(input_shape)), classes))


def thief(seed: int = 0, student: str = "lenet/2") -> Thief:
    """A thief whose trainer must not be asked."""
    return Thief(parse_student(student), Recipe(epochs=1), RidgeTrainer(), seed=seed)
