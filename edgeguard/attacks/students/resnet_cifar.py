"""Residual networks for small images: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), 4.2.

Layers are named as in the published weights of Y. Idelbayev's reproduction, which load as they are.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from edgeguard.attacks.students.network import Network

__all__ = ["ResNet", "resnet20", "resnet32", "resnet44", "resnet56"]


class Block(nn.Module):
    """Two 3 x 3 convolutions around a shortcut without parameters (option A).

    :param before: channels that come in.
    :param after: channels that go out.
    :param stride: of the first convolution and of the shortcut.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride = stride
        self.missing = after - before

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, ``[n, after, height / stride, width / stride]``."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.stride != 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.missing:
            low = self.missing // 2
            x = F.pad(x, (0, 0, 0, 0, low, self.missing - low))
        return F.relu(y + x, inplace=True)


class ResNet(Network):
    """Three stages of blocks, each with twice the channels of the one before at half the size.

    :param depth: 6 n + 2, with n blocks a stage.
    :param width: channels of the first stage.
    :param channels: of the images, which may have any size from 4 x 4 on.
    """

    def __init__(self, depth: int, classes: int, width: int, channels: int) -> None:
        super().__init__(nn.Linear(4 * width, classes))
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, 1, blocks)
        self.layer2 = _stage(width, 2 * width, 2, blocks)
        self.layer3 = _stage(2 * width, 4 * width, 2, blocks)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight)

    def features(self, images: Tensor) -> Tensor:
        """Means over the last stage's maps, ``[n, 4 * width]``."""
        x = F.relu(self.bn1(self.conv1(images)), inplace=True)
        maps: Tensor = self.layer3(self.layer2(self.layer1(x)))
        return maps.mean(dim=(2, 3))


def _stage(before: int, after: int, stride: int, blocks: int) -> nn.Sequential:
    rest = [Block(after, after, 1) for _ in range(blocks - 1)]
    return nn.Sequential(Block(before, after, stride), *rest)


def resnet20(classes: int = 10, width: int = 16, channels: int = 3) -> ResNet:
    """ResNet-20, of 0.27 million parameters at its own width. A factory for ``--arch``."""
    return ResNet(20, classes, width, channels)


def resnet32(classes: int = 10, width: int = 16, channels: int = 3) -> ResNet:
    """ResNet-32, of 0.46 million parameters at its own width. A factory for ``--arch``."""
    return ResNet(32, classes, width, channels)


def resnet44(classes: int = 10, width: int = 16, channels: int = 3) -> ResNet:
    """ResNet-44, of 0.66 million parameters at its own width. A factory for ``--arch``."""
    return ResNet(44, classes, width, channels)


def resnet56(classes: int = 10, width: int = 16, channels: int = 3) -> ResNet:
    """ResNet-56, of 0.85 million parameters at its own width. A factory for ``--arch``."""
    return ResNet(56, classes, width, channels)
