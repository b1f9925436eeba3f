"""MobileNetV2 for small images: Sandler et al., "MobileNetV2" (CVPR 2018), table 2.

The first two steps of stride 2 are of stride 1 here, so that images of 32 x 32 end as maps of 4 x 4.
"""

from __future__ import annotations

from torch import Tensor, nn

from edgeguard.attacks.students.network import Network

__all__ = ["MobileNetV2", "mobilenet_v2"]

# Expansion, channels at the paper's width, blocks, stride of the first of them.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_FULL_WIDTH = 32
_FEATURES = 1280
# Channels come in multiples of this.
_GRAIN = 8


class Block(nn.Module):
    """An inverted residual: expanded, filtered channel by channel, and projected without an activation.

    :param before: channels that come in.
    :param after: channels that go out.
    :param expansion: how many times wider it is inside.
    """

    def __init__(self, before: int, after: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = before * expansion
        widening = [] if expansion == 1 else _step(before, inner, 1)
        projection = [nn.Conv2d(inner, after, 1, bias=False), nn.BatchNorm2d(after)]
        self.steps = nn.Sequential(*widening, *_step(inner, inner, 3, stride, groups=inner), *projection)
        self.residual = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, ``[n, after, height / stride, width / stride]``."""
        y: Tensor = self.steps(x)
        return x + y if self.residual else y


class MobileNetV2(Network):
    """Seventeen inverted residuals.

    :param width: channels of the first convolution; all others keep the paper's proportions to it.
    :param channels: of the images, which may have any size from 8 x 8 on.
    """

    def __init__(self, classes: int, width: int, channels: int) -> None:
        ends = _scaled(_FEATURES, width)
        super().__init__(nn.Linear(ends, classes))
        before = _scaled(_FULL_WIDTH, width)
        layers: list[nn.Module] = _step(channels, before, 3)
        for expansion, full, blocks, stride in _STAGES:
            after = _scaled(full, width)
            for number in range(blocks):
                layers.append(Block(before, after, expansion, stride if number == 0 else 1))
                before = after
        self.body = nn.Sequential(*layers, *_step(before, ends, 1))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def features(self, images: Tensor) -> Tensor:
        """Means over the last maps, ``[n, 40 * width]``."""
        maps: Tensor = self.body(images)
        return maps.mean(dim=(2, 3))


def _step(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU6(inplace=True)]


def _scaled(full: int, width: int) -> int:
    return max(_GRAIN, round(full * width / _FULL_WIDTH / _GRAIN) * _GRAIN)


def mobilenet_v2(classes: int = 10, width: int = 16, channels: int = 3) -> MobileNetV2:
    """MobileNetV2 at half of the paper's width, which is 32. A factory for ``--arch``."""
    return MobileNetV2(classes, width, channels)
