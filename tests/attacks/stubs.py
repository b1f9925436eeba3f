"""Victims and trainers for tests of attacks: linear, and trained in closed form, in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from edgeguard.attacks.black_box import BlackBox
from edgeguard.attacks.knowledge import NOTHING, Knowledge
from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.prior import posteriors_of
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student
from edgeguard.attacks.thief import Thief, Trainer
from edgeguard.attacks.transfer import Lesson

__all__ = ["SHAPE", "RidgeTrainer", "images", "linear_logits", "linear_victim", "oracle_of", "thief_with"]

Array = np.ndarray[Any, Any]

SHAPE = (1, 8, 8)
_RIDGE = 1.0
_SHARP = 8.0


class RidgeTrainer:
    """Ridge regression from pixels to targets: a linear student, which notes what it was taught."""

    def __init__(self) -> None:
        self.lessons: list[Lesson] = []
        self.recipes: list[Recipe] = []

    def __call__(self, student: Student, lesson: Lesson, recipe: Recipe, seed: int) -> nn.Module:
        self.lessons.append(lesson)
        self.recipes.append(recipe)
        flat = lesson.inputs.reshape(len(lesson), -1).astype(np.float64)
        flat = np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
        weights = np.linalg.solve(flat.T @ flat + _RIDGE * np.eye(flat.shape[1]), flat.T @ lesson.targets) * _SHARP
        layer = nn.Linear(flat.shape[1] - 1, lesson.targets.shape[1])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weights[:-1].T))
            layer.bias.copy_(torch.from_numpy(weights[-1]))
        return nn.Sequential(nn.Flatten(), layer).eval()


def images(count: int, *, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Array:
    """Standard normal pixels, float32 ``[count, *shape]``."""
    return np.random.default_rng(seed).standard_normal((count, *shape), np.float32)


def linear_logits(inputs: Array, classes: int = 10, *, sharpness: float = 3.0) -> Array:
    """Logits of a linear network that is always the same, float32 ``[n, classes]``, of that standard deviation."""
    pixels = int(np.prod(inputs.shape[1:]))
    weights = np.random.default_rng(99).standard_normal((pixels, classes)) * sharpness / np.sqrt(pixels)
    return (inputs.reshape(len(inputs), -1) @ weights).astype(np.float32)


def linear_victim(classes: int = 10) -> Callable[[Array], Array]:
    """Answers with the posteriors of :func:`linear_logits`."""
    return lambda inputs: posteriors_of(linear_logits(inputs, classes))


def oracle_of(answer: Callable[[Array], Array], budget: int | None = None, *, shape: tuple[int, ...] = SHAPE) -> Oracle:
    """An oracle over a function."""
    return Oracle(BlackBox("stub", answer, shape, None), budget)


def thief_with(train: Trainer, knowledge: Knowledge = NOTHING, seed: int = 0) -> Thief:
    """A thief who trains by that."""
    return Thief(Student("lenet"), Recipe(epochs=1), train, knowledge, seed)
