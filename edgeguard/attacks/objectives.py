"""What a training makes small."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgeguard.attacks.recipe import Objective
from edgeguard.attacks.students.network import Network

__all__ = ["Loss", "Rotations", "Supervised", "objective_of"]


class Loss(Protocol):
    """An objective of one training; it may have parameters of its own, which are trained along."""

    def __call__(self, network: Network, images: Tensor, targets: Tensor) -> Tensor:
        """The loss, a scalar.

        :param images: ``[n, channels, height, width]``.
        :param targets: ``[n, classes]``, each row a distribution.
        """


class Supervised(nn.Module):
    """The mean cross entropy between the targets and what the network answers."""

    def forward(self, network: Network, images: Tensor, targets: Tensor) -> Tensor:
        """The loss; see :class:`Loss`."""
        return F.cross_entropy(network(images).float(), targets)


class Rotations(nn.Module):
    """Self-supervision added to the cross entropy: by which multiple of 90 degrees is this image rotated?

    S4L-Rotation of Zhai et al., "S4L: Self-Supervised Semi-Supervised Learning" (ICCV 2019), eq. 1 and 2, with a
    weight of 1. A second dense layer on the network's features says the rotation. Of the four copies of an image one
    is drawn for each step, which costs half as much as all four and has the same expectation.

    :param features: of the network.
    :param generator: draws the rotations; on the CPU.
    """

    def __init__(self, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self.head = nn.Linear(features, 4)
        self._generator = generator

    def forward(self, network: Network, images: Tensor, targets: Tensor) -> Tensor:
        """The loss; see :class:`Loss`. Images are square."""
        turns = torch.randint(0, 4, (len(images),), generator=self._generator).to(images.device)
        turned = images.clone()
        for quarter in (1, 2, 3):
            turned[turns == quarter] = torch.rot90(images[turns == quarter], quarter, (2, 3))
        features = network.features(torch.cat([images, turned]))
        answers = network.linear(features[: len(images)])
        rotations = self.head(features[len(images) :])
        return F.cross_entropy(answers.float(), targets) + F.cross_entropy(rotations.float(), turns)


def objective_of(name: Objective, network: Network, generator: torch.Generator) -> Supervised | Rotations:
    """A new objective; its weights are drawn from torch's global generator."""
    return Supervised() if name == "supervised" else Rotations(network.linear.in_features, generator)
