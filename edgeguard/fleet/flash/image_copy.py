"""A copy of a large, mostly empty file: it shares the original's blocks where the file system can, else its holes."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["copy_sparse"]

# linux/fs.h: the copy shares the original's blocks until either is written to (btrfs, xfs).
_FICLONE = 0x40049409
_BLOCK = 1 << 24


def copy_sparse(source: BinaryIO, target: BinaryIO) -> None:
    """Make ``target``, an empty file, the same as ``source``.

    :raises OSError: as the system says.
    """
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
        return
    except OSError:
        pass  # any refusal: the slow way is always right
    size = os.fstat(source.fileno()).st_size
    os.ftruncate(target.fileno(), size)
    for start, end in _data(source.fileno(), size):
        _copy(source.fileno(), target.fileno(), start, end)


def _data(handle: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are no holes."""
    end = 0
    while end < size:
        try:
            start = os.lseek(handle, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(handle, start, os.SEEK_HOLE)
        yield start, end


def _copy(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        block = os.pread(source, min(_BLOCK, end - start), start)
        if not block:
            return
        done = 0
        while done < len(block):
            done += os.pwrite(target, block[done:], start + done)
        start += len(block)
