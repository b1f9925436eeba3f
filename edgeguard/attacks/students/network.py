"""What all students have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

__all__ = ["Network"]


class Network(nn.Module, ABC):
    """A classifier that ends in a dense layer over features.

    :param linear: that layer.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees, ``[n, linear.in_features]``, of images ``[n, channels, height, width]``."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits, ``[n, classes]``."""
        logits: Tensor = self.linear(self.features(images))
        return logits
