"""The networks that peers need beside their victim, and what networks say. Loads torch."""

from __future__ import annotations

import copy
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgeguard.attacks.baselines.protocol import PeerVictim
from edgeguard.attacks.isolation import seeded
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import build, parse_student
from edgeguard.attacks.training import fit
from edgeguard.attacks.transfer import Lesson
from edgeguard.errors import UsageError

__all__ = ["Misinformation", "fit_misinformation", "fit_surrogate", "fresh", "posteriors_of"]

Array = np.ndarray[Any, Any]

# Probabilities above 1 minus this are as wrong as it gets.
_TINY = 1e-7


class Misinformation(nn.Module):
    """The mean of ``-log(1 - p_y)``: small where the network does not answer with the true class y.

    Kariyappa and Qureshi (CVPR 2020), eq. 7, which they call the reverse cross entropy.
    """

    def forward(self, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        """The loss, a scalar.

        :param targets: one-hot rows, ``[n, classes]``.
        """
        wrong = 1 - F.softmax(network(images).float(), dim=1)
        return -(targets * wrong.clamp_min(_TINY).log()).sum(dim=1).mean()


class _Distillation(nn.Module):
    def forward(self, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(network(images).float(), targets)


@torch.inference_mode()
def posteriors_of(network: nn.Module, inputs: Array) -> Array:
    """What a network answers, float64 ``[n, classes]``: rows that sum to 1 to within 1e-15."""
    logits = network(torch.from_numpy(np.ascontiguousarray(inputs, np.float32)))
    return np.asarray(logits.double().softmax(dim=1).numpy())


def fresh(victim: PeerVictim, student: str, input_shape: tuple[int, ...], seed: int) -> nn.Module:
    """A network with new weights, in evaluation mode.

    :param student: its architecture; empty for the victim's.
    :raises UsageError: there is no such student.
    """
    with seeded(seed):
        if student:
            return build(parse_student(student), input_shape, victim.classes).eval()
        drawn = copy.deepcopy(victim.network)
        for layer in drawn.modules():
            if hasattr(layer, "reset_parameters"):
                cast(Any, layer).reset_parameters()
    return drawn.requires_grad_(True).eval()


def fit_misinformation(victim: PeerVictim, student: str, epochs: int, seed: int) -> nn.Module:
    """A network that answers the victim's images wrongly.

    :param student: its architecture; empty for the victim's.
    :raises UsageError: there is no such student, or there are no images.
    """
    images = _images(victim)
    labels = posteriors_of(victim.network, images).argmax(axis=1) if victim.labels is None else victim.labels
    targets = np.eye(victim.classes, dtype=np.float32)[labels]
    return _trained(victim, Misinformation(), student, targets, epochs, seed)


def fit_surrogate(victim: PeerVictim, student: str, epochs: int, seed: int) -> nn.Module:
    """A network that stands for the thief's clone: taught by the victim's posteriors of its images.

    :param epochs: 0 for one that was taught nothing, which needs images for their size only.
    :raises UsageError: there is no such student, or there are no images.
    """
    if epochs == 0:
        return fresh(victim, student, _images(victim).shape[1:] if student else (), seed)
    targets = posteriors_of(victim.network, _images(victim)).astype(np.float32)
    return _trained(victim, _Distillation(), student, targets, epochs, seed)


def _trained(
    victim: PeerVictim, objective: nn.Module, student: str, targets: Array, epochs: int, seed: int
) -> nn.Module:
    images = _images(victim)
    lesson = Lesson(images, targets, np.arange(len(images)))

    def train(drawn: nn.Module) -> nn.Module:
        return fit(drawn, objective, lesson, Recipe(epochs=epochs), torch.Generator().manual_seed(seed)).cpu()

    key = f"{type(objective).__name__} {student} {epochs} {seed}"
    return victim.kept(key, fresh(victim, student, images.shape[1:], seed), train)


def _images(victim: PeerVictim) -> Array:
    if victim.images is None:
        raise UsageError("the owner has no images to train a further network on", where="peer's victim")
    return victim.images
