"""MobileNetV1 of a quarter of the width, as TensorFlow published it: 1001 classes, of which 0 is the background."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["MobileNetV1", "mobilenet"]

# Channels and stride of each separable convolution, at full width (Howard et al., arXiv 1704.04861, table 1).
_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)


class _Layer(nn.Module):
    """A convolution padded as TensorFlow's SAME does, its normalisation, and ReLU6."""

    def __init__(self, before: int, after: int, size: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, size, stride, 0, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=1e-3)
        # At stride 2 and an even size, SAME pads right and below only.
        self.padding = {(3, 1): (1, 1, 1, 1), (3, 2): (0, 1, 0, 1), (1, 1): (0, 0, 0, 0)}[size, stride]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu6(self.bn(self.conv(F.pad(x, self.padding))))


class MobileNetV1(nn.Module):
    """Inputs ``[batch, 3, 224, 224]`` of -1..1, logits ``[batch, classes]``."""

    def __init__(self, classes: int = 1001, width: float = 0.25) -> None:
        super().__init__()
        before = round(32 * width)
        layers: list[nn.Module] = [_Layer(3, before, 3, 2)]
        for full, stride in _BLOCKS:
            after = round(full * width)
            layers += [_Layer(before, before, 3, stride, groups=before), _Layer(before, after, 1, 1)]
            before = after
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(before, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def mobilenet() -> MobileNetV1:
    """A factory for ``--arch``."""
    return MobileNetV1()
