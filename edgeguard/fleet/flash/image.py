"""The boot partition inside a disk image.

mtools writes in place, so it is given a copy beside the image, which takes the image's name in one step when everything
is written and read back. Killed at any moment, the image is the old one or the new one. The copy is a plain file that
we made ourselves: no mistake in a path can make mtools write to a disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgeguard.errors import DeviceError, RejectedInput, UsageError
from edgeguard.fleet.flash.image_copy import copy_sparse
from edgeguard.fleet.flash.mbr import HEADER_BYTES, find_boot_partition, is_fat
from edgeguard.fleet.flash.mtools import FatFiles
from edgeguard.fleet.flash.partition import BootPartition
from edgeguard.staging import sync

__all__ = ["ImagePartition", "open_image"]


@dataclass(frozen=True, slots=True)
class ImagePartition:
    """The partition. Satisfies :class:`~edgeguard.fleet.flash.partition.BootPartition`."""

    files: FatFiles

    @property
    def where(self) -> str:
        """The image."""
        return self.files.where

    def exists(self, name: str) -> bool:
        """See the protocol."""
        return self.files.exists(name)

    def names(self, folder: str) -> tuple[str, ...]:
        """See the protocol."""
        return self.files.names(folder)

    def read(self, name: str) -> bytes:
        """See the protocol."""
        return self.files.read(name)

    def write(self, name: str, data: bytes) -> None:
        """Into the copy: the image itself stays until all is done."""
        self.files.write(name, data)

    def remove(self, name: str) -> None:
        """See the protocol."""
        self.files.remove(name)

    def free_bytes(self) -> int:
        """See the protocol."""
        return self.files.free_bytes()


@contextlib.contextmanager
def open_image(path: Path) -> Iterator[BootPartition]:
    """The boot partition of an image, which changes when the block ends well, and not at all when it does not.

    :raises UsageError: there is no such plain file, its directory cannot be written, or mtools are missing.
    :raises RejectedInput: it is no image with a FAT boot partition.
    :raises DeviceError: there is no room for the copy.
    """
    with _speaking(path), _opened(path) as source:
        final = path.resolve()
        size = os.fstat(source.fileno()).st_size
        extent = find_boot_partition(source.read(HEADER_BYTES), size, str(path))
        if not is_fat(os.pread(source.fileno(), HEADER_BYTES, extent.offset)):
            raise RejectedInput("its first FAT partition holds no FAT file system", where=str(path))
        _remove_dead_copies(final)
        with _copy_beside(source, final) as copy:
            yield ImagePartition(FatFiles(copy, extent.offset, str(path)))
            _publish(copy, final)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The image for reading. A disk is refused before it is opened, and once more by what was opened."""
    _refuse_others(path.stat().st_mode, path)
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
        _refuse_others(os.fstat(stream.fileno()).st_mode, path)
        yield stream


def _refuse_others(mode: int, path: Path) -> None:
    if stat.S_ISBLK(mode):
        raise UsageError(
            "is a disk, and edgeguard never writes to disks",
            where=str(path),
            fix="Write the system to the card with Raspberry Pi Imager, mount the card and use --boot",
        )
    if stat.S_ISDIR(mode):
        raise UsageError("is a directory", where=str(path), fix="A mounted boot partition goes with --boot")
    if not stat.S_ISREG(mode):
        raise UsageError("is no plain file", where=str(path), fix="Name an image")


@contextlib.contextmanager
def _copy_beside(source: BinaryIO, final: Path) -> Iterator[Path]:
    """A locked copy in the image's directory, removed at the end unless it was moved away."""
    handle, name = tempfile.mkstemp(prefix=_prefix(final), dir=final.parent)
    try:
        with os.fdopen(handle, "r+b") as target:
            fcntl.flock(handle, fcntl.LOCK_EX)
            copy_sparse(source, target)
            os.fchmod(handle, stat.S_IMODE(os.fstat(source.fileno()).st_mode))
            yield Path(name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _publish(copy: Path, final: Path) -> None:
    sync(copy)
    os.replace(copy, final)
    sync(final.parent)


def _remove_dead_copies(final: Path) -> None:
    """Copies of killed runs: those that nobody holds locked."""
    for path in final.parent.glob(f"{_prefix(final)}*"):
        with contextlib.suppress(OSError), path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _prefix(final: Path) -> str:
    return f".{final.name}.tmp-"


@contextlib.contextmanager
def _speaking(path: Path) -> Iterator[None]:
    """Say what the system says when the image cannot be read, or its copy not be written."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DeviceError(
                "there is no room for a copy of the image, which it is replaced by", where=str(path), fix="Make room"
            ) from None
        raise UsageError(
            f"cannot be used: {what}", where=str(path), fix="Name an image in a directory that you may write to"
        ) from None
