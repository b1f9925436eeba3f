"""Decoding one image file into pixels, whatever cameras and editors put into it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.errors import BadData

__all__ = ["IMAGE_SUFFIXES", "decode_image"]

Array = np.ndarray[Any, Any]

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def decode_image(path: Path) -> Array:
    """The pixels of an image file, uint8 ``[height, width, 3]``, RGB.

    The EXIF orientation is applied, transparency is put on white, 16-bit greys keep their upper 8 bits, and of an
    animation the first frame is taken.

    :raises BadData: the file is missing, truncated, no image, or so large that decoding it is an attack.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                picture = ImageOps.exif_transpose(opened)
                return _to_rgb(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadData(f"is suspiciously large: {error}", where=str(path), fix="Scale it down first") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise BadData(f"cannot be read as an image: {error}", where=str(path), fix="Remove or replace it") from None


def _to_rgb(picture: Any) -> Array:
    from PIL import Image

    if picture.mode.startswith("I"):
        wide = np.asarray(picture).astype(np.int64)
        narrow = (wide >> 8 if wide.max(initial=0) > 255 else wide).clip(0, 255).astype(np.uint8)
        return np.repeat(narrow[:, :, None], 3, axis=2)
    if picture.mode == "F":
        raise ValueError("floating-point pixels have no defined range")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return np.asarray(picture.convert("RGB"))
