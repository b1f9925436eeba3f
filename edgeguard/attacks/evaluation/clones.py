"""Clones that were trained before: the labels of all defenses that keep the argmax, say, make one lesson."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeguard.attacks.evaluation.cache import Store
from edgeguard.attacks.evaluation.cell import RULES
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student, build
from edgeguard.attacks.transfer import Lesson
from edgeguard.digests import array_digest, json_digest

if TYPE_CHECKING:
    from torch import nn

    from edgeguard.attacks.thief import Trainer

__all__ = ["CachedTrainer"]


@dataclass(frozen=True, slots=True)
class CachedTrainer:
    """A :class:`~edgeguard.attacks.thief.Trainer` that trains the same clone only once.

    :param train: what trains.
    """

    store: Store
    train: Trainer

    def __call__(self, student: Student, lesson: Lesson, recipe: Recipe, seed: int) -> nn.Module:
        """The clone in evaluation mode, trained now or before."""
        import torch

        from edgeguard.attacks.isolation import seeded
        from edgeguard.attacks.training import device

        lesson_key = [array_digest(lesson.inputs), array_digest(lesson.targets)]
        key = json_digest([RULES, str(student), *lesson_key, asdict(recipe), seed])

        def make(path: Path) -> None:
            torch.save(self.train(student, lesson, recipe, seed).state_dict(), path)

        stored = torch.load(self.store.entry("clones", key, make), map_location="cpu", weights_only=True)
        with seeded(seed):
            clone = build(student, lesson.inputs.shape[1:], lesson.targets.shape[1])
        clone.load_state_dict(stored)
        return clone.to(device()).eval()
