"""Wide residual networks: Zagoruyko and Komodakis, "Wide Residual Networks" (BMVC 2016), table 1."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from edgeguard.attacks.students.network import Network

__all__ = ["WideResNet", "wrn16_1", "wrn16_2", "wrn28_10"]


class Block(nn.Module):
    """BatchNorm and ReLU before each of two 3 x 3 convolutions; a 1 x 1 convolution beside them where shapes change.

    :param before: channels that come in.
    :param after: channels that go out.
    :param stride: of the first convolution and of the shortcut.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False) if before != after or stride != 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, ``[n, after, height / stride, width / stride]``."""
        y: Tensor = F.relu(self.bn1(x), inplace=True)
        if self.shortcut is not None:
            x = self.shortcut(y)
        y = self.conv2(F.relu(self.bn2(self.conv1(y)), inplace=True))
        return x + y


class WideResNet(Network):
    """Three groups of blocks.

    :param depth: 6 n + 4, with n blocks a group.
    :param factor: k, how many times wider the groups are than the first convolution.
    :param width: channels of that convolution, 16 in the paper.
    :param channels: of the images, which may have any size from 4 x 4 on.
    """

    def __init__(self, depth: int, factor: int, classes: int, width: int, channels: int) -> None:
        wide = factor * width
        super().__init__(nn.Linear(4 * wide, classes))
        blocks = (depth - 4) // 6
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.group1 = _group(width, wide, 1, blocks)
        self.group2 = _group(wide, 2 * wide, 2, blocks)
        self.group3 = _group(2 * wide, 4 * wide, 2, blocks)
        self.bn = nn.BatchNorm2d(4 * wide)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)

    def features(self, images: Tensor) -> Tensor:
        """Means over the last group's maps, ``[n, 4 * factor * width]``."""
        maps: Tensor = self.bn(self.group3(self.group2(self.group1(self.conv1(images)))))
        return F.relu(maps, inplace=True).mean(dim=(2, 3))


def _group(before: int, after: int, stride: int, blocks: int) -> nn.Sequential:
    rest = [Block(after, after, 1) for _ in range(blocks - 1)]
    return nn.Sequential(Block(before, after, stride), *rest)


def wrn16_1(classes: int = 10, width: int = 16, channels: int = 3) -> WideResNet:
    """WRN-16-1, of 0.18 million parameters at its own width. A factory for ``--arch``."""
    return WideResNet(16, 1, classes, width, channels)


def wrn16_2(classes: int = 10, width: int = 16, channels: int = 3) -> WideResNet:
    """WRN-16-2, of 0.69 million parameters at its own width. A factory for ``--arch``."""
    return WideResNet(16, 2, classes, width, channels)


def wrn28_10(classes: int = 10, width: int = 16, channels: int = 3) -> WideResNet:
    """WRN-28-10, of 36.5 million parameters at its own width. A factory for ``--arch``."""
    return WideResNet(28, 10, classes, width, channels)
