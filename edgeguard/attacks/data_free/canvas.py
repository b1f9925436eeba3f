"""What a thief without images knows of the victim's inputs: their shape, and how dark and how bright a pixel can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeguard.attacks.black_box import BlackBox
from edgeguard.errors import UsageError

__all__ = ["Canvas", "canvas_of"]

_BLACK, _WHITE = 0.0, 255.0


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where generated inputs lie.

    :param shape: of one input: channels, height, width.
    :param low: the smallest value that an image can become, one for each channel.
    :param high: the largest, likewise.
    """

    shape: tuple[int, int, int]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what no image fits on.

        :raises UsageError: the shape is none of an image, or a channel has no values between its ends.
        """
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise UsageError(f"inputs {list(self.shape)} are no images [channels, height, width]", where="canvas")
        if not len(self.low) == len(self.high) == self.shape[0]:
            raise UsageError(
                f"{self.shape[0]} channels, {len(self.low)} smallest and {len(self.high)} largest values",
                where="canvas",
            )
        if not (np.isfinite(self.low).all() and np.isfinite(self.high).all() and np.less(self.low, self.high).all()):
            raise UsageError(f"values from {self.low} to {self.high} leave nothing to draw with", where="canvas")


def canvas_of(box: BlackBox) -> Canvas:
    """What every user of a victim's API is told: its images' size, and how pixels of 0..255 become its inputs.

    :raises UsageError: its inputs are no images, or their channels come last, as no student takes them.
    """
    preprocess = box.preprocess
    if preprocess is None or len(box.input_shape) != 3:
        raise UsageError(
            f"its inputs {list(box.input_shape)} are no images, and a generator draws images",
            where=box.name,
            fix="Attack it with queries of a pool",
        )
    if preprocess.layout != "nchw":
        raise UsageError("its channels come last, and students take them first", where=box.name)
    channels, height, width = box.input_shape
    mean, std = (
        np.broadcast_to(np.array(values, np.float64), channels) for values in (preprocess.mean, preprocess.std)
    )
    ends = (np.array([[_BLACK], [_WHITE]]) * preprocess.scale - mean) / std
    low, high = ends.min(axis=0), ends.max(axis=0)
    return Canvas((channels, height, width), tuple(map(float, low)), tuple(map(float, high)))
