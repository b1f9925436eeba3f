"""How an image becomes the network's input, as one value that travels with the artifact.

The same :class:`Preprocess` serves calibration, ``run``, ``bench``, ``accuracy`` and the golden inputs, because a
difference between export and device is the classic silent accuracy bug (onnx2tf#610, #339).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from edgeguard.errors import BadData, UsageError

__all__ = ["PRESETS", "Layout", "Preprocess", "preset"]

Array = np.ndarray[Any, Any]
Colour = Literal["rgb", "bgr", "grey"]
Layout = Literal["nchw", "nhwc"]
Resample = Literal["nearest", "bilinear", "bicubic", "lanczos"]

# An intermediate picture larger than this is never made.
_MOST_PIXELS = 1 << 24


@dataclass(frozen=True, slots=True)
class Preprocess:
    """``input = (pixel * scale - mean) / std``, pixels being 0..255.

    :param size: height and width of the network's input, in pixels.
    :param crop: ``None`` stretches an image to ``size``; a fraction f in (0, 1] resizes its shorter side to
        ``size / f`` and cuts the centre. An image that already has exactly ``size`` is taken as it is.
    :param colour: order of the channels that the network expects.
    :param layout: order of the axes that the network expects.
    :param mean: per channel, in units of ``pixel * scale``.
    :param std: per channel, in units of ``pixel * scale``; never zero.
    """

    size: tuple[int, int]
    crop: float | None = None
    colour: Colour = "rgb"
    layout: Layout = "nchw"
    scale: float = 1.0 / 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    resample: Resample = "bilinear"

    def __post_init__(self) -> None:
        """Refuse values that no network could mean.

        :raises UsageError: naming the field.
        """
        if len(self.size) != 2 or min(self.size) < 1:
            raise UsageError(f"preprocess size must be two positive numbers, not {self.size}")
        if self.crop is not None and not 0 < self.crop <= 1:
            raise UsageError(f"preprocess crop must lie in (0, 1], not {self.crop}")
        for name, allowed in (
            ("colour", ("rgb", "bgr", "grey")),
            ("layout", ("nchw", "nhwc")),
            ("resample", ("nearest", "bilinear", "bicubic", "lanczos")),
        ):
            if getattr(self, name) not in allowed:
                raise UsageError(f"preprocess {name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) not in (1, self.channels):
                raise UsageError(f"preprocess {name} has {len(values)} values for {self.channels} channels")
            if not np.isfinite(values).all():
                raise UsageError(f"preprocess {name} is not finite: {values}")
        if not np.isfinite(self.scale) or self.scale == 0 or 0 in self.std:
            raise UsageError("preprocess scale and std must be finite and not zero")

    @property
    def channels(self) -> int:
        """Number of channels of the network's input."""
        return 1 if self.colour == "grey" else 3

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one network input, without the batch axis, in ``layout``."""
        height, width = self.size
        return (self.channels, height, width) if self.layout == "nchw" else (height, width, self.channels)

    @property
    def value_range(self) -> tuple[float, float]:
        """Smallest and largest input that any image can become."""
        mean, std = np.broadcast_arrays(np.array(self.mean), np.array(self.std))
        ends = (np.array([[0.0], [255.0]]) * self.scale - mean) / std
        return float(ends.min()), float(ends.max())

    def __call__(self, images: Sequence[Array] | Array) -> Array:
        """Turn images into one input batch.

        :param images: uint8 images, each ``[height, width, 3]`` in RGB order or ``[height, width]``; sizes may differ.
        :returns: float32, ``[len(images), *input_shape]``.
        :raises BadData: an image has another dtype or shape.
        """
        batch = np.stack([self._fit(image) for image in images]).astype(np.float32)
        # One of them may be given once for all channels.
        mean, std = np.broadcast_arrays(np.array(self.mean, np.float64), np.array(self.std, np.float64))
        factor = (self.scale / std).astype(np.float32)
        offset = (-mean / std).astype(np.float32)
        batch = batch * factor + offset
        return np.ascontiguousarray(batch.transpose(0, 3, 1, 2)) if self.layout == "nchw" else batch

    def _fit(self, image: Array) -> Array:
        """One image as uint8 ``[*size, channels]`` in the network's colour order."""
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
            raise BadData(
                f"an image must be uint8 [height, width, 3] or [height, width], not {image.dtype} {list(image.shape)}"
            )
        if not image.size:
            raise BadData(f"an image {list(image.shape)} has no pixels")
        if image.ndim == 3 and image.shape[2] == 1:
            image = image[:, :, 0]
        if image.shape[:2] != self.size:
            image = self._resize(image)
        if self.colour == "grey":
            if image.ndim == 3:
                # ITU-R 601 luma, as Pillow's own "L" conversion
                image = (image @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
            return image[:, :, None]
        if image.ndim == 2:
            image = np.repeat(image[:, :, None], 3, axis=2)
        return image[:, :, ::-1] if self.colour == "bgr" else image

    def _resize(self, image: Array) -> Array:
        from PIL import Image

        height, width = self.size
        method = Image.Resampling[self.resample.upper()]
        picture = Image.fromarray(image)
        if self.crop is None:
            return np.asarray(picture.resize((width, height), method))
        ratio = max(height / picture.height, width / picture.width) / self.crop
        larger = (max(width, round(picture.width * ratio)), max(height, round(picture.height * ratio)))
        left, top = (larger[0] - width) // 2, (larger[1] - height) // 2
        if larger[0] * larger[1] > _MOST_PIXELS:
            # A strip one pixel high and thousands wide: scale only what is kept of it, or memory runs out.
            x, y = picture.width / larger[0], picture.height / larger[1]
            box = (left * x, top * y, (left + width) * x, (top + height) * y)
            return np.asarray(picture.resize((width, height), method, box=box))
        return np.asarray(picture.resize(larger, method).crop((left, top, left + width, top + height)))


# Means and deviations are the published ones of each data set or training code, in units of pixel * scale.
PRESETS: dict[str, Preprocess] = {
    "unit": Preprocess((1, 1)),
    "raw255": Preprocess((1, 1), scale=1.0),
    "imagenet": Preprocess((1, 1), crop=0.875, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "cifar10": Preprocess((1, 1), mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
    "mobilenet-v1": Preprocess((1, 1), crop=0.875, scale=1 / 127.5, mean=(1.0,), std=(1.0,)),
}


def preset(name: str, input_shape: tuple[int, int, int], layout: Layout = "nchw") -> Preprocess:
    """The preset ``name``, fitted to a network's input shape (in ``layout``).

    A network with one input channel gets ``colour="grey"``, and per-channel statistics averaged.

    :raises UsageError: there is no such preset, or the network has neither one nor three channels.
    """
    if name not in PRESETS:
        raise UsageError(f"there is no preprocess preset {name!r}", fix=f"Choose one of: {', '.join(PRESETS)}")
    channels, height, width = input_shape if layout == "nchw" else (input_shape[2], *input_shape[:2])
    if channels not in (1, 3):
        raise UsageError(
            f"the network's input {list(input_shape)} has {channels} channels in layout {layout}; images have 1 or 3",
            fix="If the axes come in the other order, say so with --layout",
        )
    chosen = replace(PRESETS[name], size=(height, width), layout=layout)
    if channels == 3:
        return chosen
    return replace(chosen, colour="grey", mean=(_average(chosen.mean),), std=(_average(chosen.std),))


def _average(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)
