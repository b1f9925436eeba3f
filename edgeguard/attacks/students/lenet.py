"""A LeNet-5: LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (Proc. IEEE 86, 1998), fig. 2.

With what became usual since: rectifiers, maxima in place of trained subsampling, every map seeing every map, and no
Gaussian connections at the end.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from edgeguard.attacks.students.network import Network

__all__ = ["LeNet", "lenet"]

_KERNEL = 5
# The paper's images, and its 28 x 28 digits in their frame: smaller images get such a frame.
_FRAMED = 32
# Units of the dense layers for each map of the first one: 120, 84 and 6 in the paper.
_FIRST, _SECOND = 20, 14


class LeNet(Network):
    """Two convolutions without padding, each before a maximum of 2 x 2, and three dense layers.

    :param width: maps of the first convolution.
    :param channels: of the images.
    :param size: height and width of the images; a frame of zeros makes 32 of 28.
    """

    def __init__(self, classes: int, width: int, channels: int, size: int) -> None:
        super().__init__(nn.Linear(_SECOND * width, classes))
        frame = max(0, _FRAMED - size) // 2
        inner = ((size + 2 * frame - _KERNEL + 1) // 2 - _KERNEL + 1) // 2
        maps = 16 * width // 6
        self.conv1 = nn.Conv2d(channels, width, _KERNEL, padding=frame)
        self.conv2 = nn.Conv2d(width, maps, _KERNEL)
        self.dense1 = nn.Linear(maps * inner * inner, _FIRST * width)
        self.dense2 = nn.Linear(_FIRST * width, _SECOND * width)

    def features(self, images: Tensor) -> Tensor:
        """The second dense layer's units, ``[n, 14 * width]``."""
        x = F.max_pool2d(F.relu(self.conv1(images), inplace=True), 2)
        x = F.max_pool2d(F.relu(self.conv2(x), inplace=True), 2)
        x = F.relu(self.dense1(x.flatten(1)), inplace=True)
        return F.relu(self.dense2(x), inplace=True)


def lenet(classes: int = 10, width: int = 6, channels: int = 1, size: int = 28) -> LeNet:
    """LeNet-5, of 61,706 parameters at its own width for one channel. A factory for ``--arch``."""
    return LeNet(classes, width, channels, size)
