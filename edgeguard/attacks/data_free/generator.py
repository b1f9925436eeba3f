"""A network that makes images of noise, on a canvas.

Of the paper's shape: a dense layer, two doublings of the size, three convolutions with BatchNorm, and the hyperbolic
tangent at the end (Truong et al., "Data-Free Model Extraction", CVPR 2021, section 4.1). It is narrower, so that a CPU
core makes thousands of images a second, and its last maps are normalised, so that no image starts black or white.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgeguard.attacks.data_free.canvas import Canvas

__all__ = ["Generator", "painted"]

_SLOPE = 0.2


class Generator(nn.Module):
    """From noise to sketches: images before the hyperbolic tangent, of any size.

    The thief steps from a sketch to its neighbours, not from an image: whatever the step, what he asks is an image.

    :param latent: length of the noise.
    :param width: maps of the last convolution but one; those before have twice as many.
    """

    def __init__(self, latent: int, width: int, canvas: Canvas) -> None:
        super().__init__()
        channels, *self.size = canvas.shape
        self.small = [-(-side // 4) for side in self.size]
        self.middle = [-(-side // 2) for side in self.size]
        self.wide = 2 * width
        self.dense = nn.Linear(latent, self.wide * self.small[0] * self.small[1])
        self.bn0 = nn.BatchNorm2d(self.wide)
        self.conv1 = nn.Conv2d(self.wide, self.wide, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(self.wide)
        self.conv2 = nn.Conv2d(self.wide, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(channels, affine=False)

    def forward(self, noise: Tensor) -> Tensor:
        """Sketches, ``[n, channels, height, width]``, of noise ``[n, latent]``."""
        x = self.bn0(self.dense(noise).view(-1, self.wide, *self.small))
        x = F.interpolate(x, size=self.middle)
        x = F.leaky_relu(self.bn1(self.conv1(x)), _SLOPE)
        x = F.interpolate(x, size=self.size)
        x = F.leaky_relu(self.bn2(self.conv2(x)), _SLOPE)
        sketches: Tensor = self.bn3(self.conv3(x))
        return sketches


def painted(sketches: Tensor, canvas: Canvas) -> Tensor:
    """The images of sketches: the hyperbolic tangent, stretched to the canvas's range in each channel."""
    low = torch.tensor(canvas.low, dtype=sketches.dtype, device=sketches.device).view(-1, 1, 1)
    high = torch.tensor(canvas.high, dtype=sketches.dtype, device=sketches.device).view(-1, 1, 1)
    images = low + (high - low) * (sketches.tanh() + 1) / 2
    # Rounding may end a last bit outside.
    return torch.maximum(torch.minimum(images, high), low)
