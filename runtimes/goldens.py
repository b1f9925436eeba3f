"""Golden inputs and their expected answers: what an export leaves in ``golden.npz`` and a device reads there."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.errors import BadData

__all__ = ["Goldens", "read_goldens"]

Array = np.ndarray[Any, Any]

# An export writes 2 MiB of inputs at most; a file that unpacks to more is no work of ours.
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Goldens:
    """Golden inputs and what is expected of them; see :mod:`edgeguard.export.golden`.

    :param inputs: float32 ``[n, *input_shape]``.
    :param answers: float32 ``[n, classes]``.
    :param tolerance: float32 ``[n]``, largest allowed absolute difference of an entry of each answer.
    """

    inputs: Array
    answers: Array
    tolerance: Array

    def __len__(self) -> int:
        """How many there are."""
        return len(self.inputs)

    def to_bytes(self) -> bytes:
        """The content of ``golden.npz``."""
        stream = io.BytesIO()
        np.savez_compressed(stream, inputs=self.inputs, answers=self.answers, tolerance=self.tolerance)
        return stream.getvalue()


def read_goldens(path: Path, input_shape: tuple[int, ...], classes: int) -> Goldens:
    """Read a ``golden.npz``; no object in it is ever unpickled.

    :raises BadData: it is damaged, or its arrays do not fit each other or the model.
    """
    where, fix = str(path), "Export the artifact again"
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _MOST_BYTES:
            raise BadData(f"unpacks to {unpacked} bytes: these are no golden inputs", where=where, fix=fix)
        with np.load(path, allow_pickle=False) as content:
            goldens = Goldens(content["inputs"], content["answers"], content["tolerance"])
    except BadData:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise a dozen unrelated types for damaged files
        raise BadData(f"golden inputs cannot be read: {error}", where=where, fix=fix) from None
    count = goldens.inputs.shape[0] if goldens.inputs.ndim else 0
    expected = {"inputs": (count, *input_shape), "answers": (count, classes), "tolerance": (count,)}
    for name, shape in expected.items():
        value = getattr(goldens, name)
        if value.dtype != np.float32 or value.shape != shape:
            raise BadData(
                f"{name} are {value.dtype} {list(value.shape)}, not float32 {list(shape)}", where=where, fix=fix
            )
        if not np.isfinite(value).all():
            raise BadData(f"{name} hold NaN or infinity", where=where, fix=fix)
    if count and goldens.tolerance.min() <= 0:
        raise BadData("a tolerance is not positive", where=where, fix=fix)
    return goldens
