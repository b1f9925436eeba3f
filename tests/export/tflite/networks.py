"""A torch network with what :class:`tests.networks.Tiny` lacks, for the conversion to TFLite."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["Branches", "branches"]


class Branches(nn.Module):
    """Both kinds of pooling, a concatenation, a depthwise convolution with ReLU6, a gate of sigmoids, a shortcut, a
    slice, and two dense layers: inputs ``[batch, 3, 16, 16]``, logits ``[batch, 10]``."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.wide = nn.Conv2d(8, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16)
        self.gate = nn.Linear(16, 16)
        self.mix = nn.Conv2d(16, 16, 1)
        self.hidden = nn.Linear(16 * 16, 24)
        self.dense = nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn(self.stem(x)))
        x = torch.cat([F.max_pool2d(x, 2), F.avg_pool2d(F.relu(self.wide(x)), 2)], dim=1)
        x = F.relu6(self.depthwise(x))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]
        x = self.mix(x) + x
        logits: torch.Tensor = self.dense(F.relu(self.hidden(x.flatten(1))))
        return logits


def branches() -> Branches:
    """With random weights; its BatchNorm has seen inputs."""
    torch.manual_seed(0)
    network = Branches()
    with torch.no_grad():
        network.dense.weight.mul_(8)
        network.train()(torch.randn(64, 3, 16, 16))
    return network.eval()
