"""Image sets on disk, and array files as accidents and attackers make them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgeguard.preprocess import Preprocess

Array = np.ndarray[Any, Any]

SIZE = 8
UNIT = Preprocess((SIZE, SIZE))
SHAPE = UNIT.input_shape


def images(count: int, *, seed: int = 0) -> Array:
    """Random pictures, uint8 ``[count, 8, 8, 3]``."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def write_folder(folder: Path, pictures: Array, suffix: str = "png") -> Path:
    """One lossless file an image, named in order."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{index:04}.{suffix}")
    return folder


def write_npz(path: Path, **arrays: Array) -> Path:
    """An ``.npz`` as numpy writes it."""
    np.savez(path, **arrays)
    return path


def npy_bytes(array: Array, **header: object) -> bytes:
    """An ``.npy`` whose header may lie: ``shape``, ``descr`` and ``fortran_order`` replace the truth."""
    stream = io.BytesIO()
    truth = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(stream, truth | header)
    return stream.getvalue() + array.tobytes()


def write_member(path: Path, data: bytes, name: str = "x.npy") -> Path:
    """An ``.npz`` with one member of any content."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, data)
    return path
