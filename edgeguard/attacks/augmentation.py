"""Images as a student sees them in training: moved and mirrored."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from edgeguard.attacks.recipe import Augmentation

__all__ = ["augmented"]

# Parts of the height and the width, the largest of which a batch is moved by.
_PARTS = 8


def augmented(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """A batch, moved and mirrored.

    :param images: ``[n, channels, height, width]``.
    :param how: ``shift`` moves all of them alike, by up to an eighth of their size, zeros following; ``mirror-shift``
        also mirrors each with a probability of one half.
    :param generator: on the CPU, wherever the images are.
    """
    if how == "none":
        return images
    if how == "mirror-shift":
        mirrored = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    height, width = images.shape[2:]
    most_down, most_right = height // _PARTS, width // _PARTS
    down = int(torch.randint(0, 2 * most_down + 1, (), generator=generator))
    right = int(torch.randint(0, 2 * most_right + 1, (), generator=generator))
    framed = F.pad(images, (most_right, most_right, most_down, most_down))
    return framed[:, :, down : down + height, right : right + width]
