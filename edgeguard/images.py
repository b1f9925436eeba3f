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
# Formats whose greys of more than 8 bits are 16-bit or scaled to it, even where Pillow holds them as 32-bit integers.
_SIXTEEN_BIT = frozenset({"PNG", "PPM"})


def decode_image(path: Path) -> Array:
    """The pixels of an image file, uint8 ``[height, width, 3]``, RGB.

    The EXIF orientation is applied, transparency is put on white, 16-bit pixels keep their upper 8 bits, and of an
    animation the first frame is taken. Pixels of more than 16 bits or in floating point are refused: what is white in
    them is anyone's guess.

    :raises BadData: the file is missing, truncated, no image, or so large that decoding it is an attack.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            # Pillow warns about odd metadata; what counts is whether the pixels can be read.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                if opened.mode == "F" or (opened.mode == "I" and opened.format not in _SIXTEEN_BIT):
                    raise ValueError("pixels of more than 16 bits, or in floating point, have no defined range")
                return _to_rgb(ImageOps.exif_transpose(opened))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadData(f"is suspiciously large: {error}", where=str(path), fix="Scale it down first") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise BadData(f"cannot be read as an image: {error}", where=str(path), fix="Remove or replace it") from None


def _to_rgb(picture: Any) -> Array:
    from PIL import Image

    if picture.mode.startswith("I"):
        # Not by the largest pixel present: a dark 16-bit picture is dark.
        narrow = (np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(narrow[:, :, None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return np.asarray(picture.convert("RGB"))
