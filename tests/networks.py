"""Torch networks that tests load, export and calibrate; also the factories that ``--arch`` names."""

from __future__ import annotations

import functools

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["SHAPE", "FixedBatch", "ResNet20", "Tiny", "inputs", "resnet20", "tiny", "trained_tiny"]

SHAPE = (3, 16, 16)


def inputs(count: int, *, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    """Standard normal inputs."""
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(seed))


class Tiny(nn.Module):
    """Two convolutions, each with BatchNorm and ReLU, pooling, and a dense layer: inputs ``[batch, 3, h, w]``."""

    def __init__(self, classes: int = 10, width: int = 8, normalised: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(width) if normalised else nn.Identity()
        self.conv2 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(2 * width) if normalised else nn.Identity()
        self.dense = nn.Linear(2 * width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        logits: torch.Tensor = self.dense(x.mean(dim=(2, 3)))
        return logits


class FixedBatch(Tiny):
    """Says ``1`` where it should say the size of the batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        logits: torch.Tensor = self.dense(x.reshape(1, 16, 16).mean(dim=2))
        return logits


def tiny(classes: int = 10, width: int = 8, normalised: bool = True) -> Tiny:
    """A factory for ``--arch``."""
    return Tiny(classes, width, normalised)


def trained_tiny(kind: type[Tiny] = Tiny, *, normalised: bool = True, seed: int = 0) -> Tiny:
    """A network whose BatchNorm layers remember inputs of mean 0.3 and deviation 0.5, and whose logits spread."""
    torch.manual_seed(seed)
    network = kind(normalised=normalised)
    with torch.no_grad():
        network.dense.weight.mul_(16)
        Tiny.forward(network.train(), 0.3 + 0.5 * inputs(1, seed=seed + 1))
        for step in range(40):
            Tiny.forward(network, 0.3 + 0.5 * inputs(32, seed=seed + 2 + step))
    network.eval()
    return network


class _Block(nn.Module):
    """Two 3 x 3 convolutions around a shortcut without parameters (option A of He et al., CVPR 2016)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride = stride
        self.missing = (after - before) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.missing, self.missing))
        return F.relu(y + x)


class ResNet20(nn.Module):
    """ResNet-20 for CIFAR-10, named as the reference weights name their layers."""

    def __init__(self, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        stage = functools.partial(_stage, blocks=3)
        self.layer1 = stage(width, width, 1)
        self.layer2 = stage(width, 2 * width, 2)
        self.layer3 = stage(2 * width, 4 * width, 2)
        self.linear = nn.Linear(4 * width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: torch.Tensor = self.linear(F.avg_pool2d(x, 8).flatten(1))
        return logits


def _stage(before: int, after: int, stride: int, *, blocks: int) -> nn.Sequential:
    rest = [_Block(after, after, 1) for _ in range(blocks - 1)]
    return nn.Sequential(_Block(before, after, stride), *rest)


def resnet20(classes: int = 10) -> ResNet20:
    """A factory for ``--arch``."""
    return ResNet20(classes)
