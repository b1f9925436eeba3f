"""Reading ``.npy`` and ``.npz`` arrays in blocks, so that memory does not grow with the file."""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from edgeguard.errors import BadData

__all__ = ["ArrayFile", "open_array"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """An array in a file, of which only the header has been read.

    :param member: name inside an ``.npz``; ``None`` for an ``.npy``.
    """

    path: Path
    member: str | None
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one entry of the first axis."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    def rows(self, count: int) -> Iterator[Array]:
        """The array in blocks of up to ``count`` entries of its first axis.

        :raises BadData: the file ends early or is damaged.
        """
        with _opened(self.path, self.member) as stream:
            _read_header(stream, self.path)
            for start in range(0, self.shape[0], count):
                rows = min(count, self.shape[0] - start)
                data = _read_exactly(stream, rows * self.row_bytes, self.path)
                yield np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])

    def read(self) -> Array:
        """The whole array; for labels, which are small."""
        return next(self.rows(max(1, self.shape[0])))


def open_array(path: Path, name: str | None = None) -> ArrayFile | None:
    """The array ``name`` of an ``.npz``, or the one array of an ``.npy``; ``None`` if the ``.npz`` has no such member.

    :raises BadData: the file is no array file, is shorter than its header says, holds Python objects, or is stored
        column by column.
    """
    member = None if name is None else f"{name}.npy"
    size = _stored_bytes(path, member)
    if size is None:
        return None
    with _opened(path, member) as stream:
        shape, fortran, dtype = _read_header(stream, path)
        header = stream.tell()
    if dtype.hasobject:
        raise BadData("holds Python objects, which are never loaded", where=str(path), fix="Save plain numbers")
    if fortran and len(shape) > 1:
        raise BadData("is stored column by column", where=str(path), fix="Save numpy.ascontiguousarray(x)")
    # A header may promise anything; believed, it would be allocated.
    if math.prod(shape) * dtype.itemsize > size - header:
        raise BadData(f"ends early: its header promises {dtype} {list(shape)}", where=str(path), fix="Copy it again")
    return ArrayFile(path, member, dtype, shape)


def _stored_bytes(path: Path, member: str | None) -> int | None:
    try:
        if member is None:
            return path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            return archive.getinfo(member).file_size
    except KeyError:
        return None
    except Exception as error:  # zipfile raises struct.error, ValueError, ... beside its own
        raise BadData(f"is no array file: {error}", where=str(path), fix="Write it with numpy.savez") from None


@contextlib.contextmanager
def _opened(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    try:
        if member is None:
            with path.open("rb") as stream:
                yield stream
        else:
            with zipfile.ZipFile(path) as archive, archive.open(member) as packed:
                yield packed
    except BadData:
        raise
    except Exception as error:  # zipfile and its decompressors raise a dozen unrelated types
        raise BadData(f"cannot be read: {error}", where=str(path), fix="Is it complete?") from None


def _read_header(stream: IO[bytes], path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    fmt = np.lib.format
    try:
        major, _ = fmt.read_magic(stream)
        read = fmt.read_array_header_1_0 if major == 1 else fmt.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except Exception as error:  # numpy parses the header as Python, and lets that fail in many ways
        raise BadData(f"is no numpy array: {error}", where=str(path), fix="Write it with numpy.save") from None
    return shape, fortran, dtype


def _read_exactly(stream: IO[bytes], size: int, path: Path) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise BadData("ends early", where=str(path), fix="Copy it again")
    return data
