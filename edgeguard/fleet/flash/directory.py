"""The boot partition of a card, mounted."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeguard.errors import DeviceError, UnsafeFile, UsageError
from edgeguard.fleet.flash.partition import LEFTOVER, BootPartition
from edgeguard.staging import sync

__all__ = ["DirectoryPartition", "file_system", "open_directory"]

_MOUNTS = Path("/proc/self/mountinfo")
_OWN = ("/", "/boot", "/boot/efi", "/boot/firmware")


@dataclass(frozen=True, slots=True)
class DirectoryPartition:
    """A directory. Satisfies :class:`~edgeguard.fleet.flash.partition.BootPartition`."""

    path: Path

    @property
    def where(self) -> str:
        """The directory."""
        return str(self.path)

    def exists(self, name: str) -> bool:
        """Whether there is a plain file; a link, which no FAT has, is refused."""
        with self._speaking(name):
            found = self._checked(name)
            return found is not None and stat.S_ISREG(found.st_mode)

    def names(self, folder: str) -> tuple[str, ...]:
        """Sorted."""
        with self._speaking(folder):
            found = self._checked(folder)
            if found is None or not stat.S_ISDIR(found.st_mode):
                return ()
            return tuple(sorted(os.listdir(self.path / folder)))

    def read(self, name: str) -> bytes:
        """See the protocol; pages of the file that were written before are dropped from the cache first."""
        with self._speaking(name):
            self._checked(name)
            handle = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as stream:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise UnsafeFile("is no plain file", where=str(self.path / name), fix="Name a boot partition")
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
                return stream.read()

    def write(self, name: str, data: bytes) -> None:
        """Beside its place, flushed, then renamed."""
        final = self.path / name
        beside = final.with_name(final.name + LEFTOVER)
        with self._speaking(name):
            self._checked(name)
            final.parent.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
            try:
                with beside.open("xb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(beside, final)
            except OSError:
                with contextlib.suppress(OSError):
                    beside.unlink()
                raise
            _sync_directory(final.parent)

    def remove(self, name: str) -> None:
        """See the protocol."""
        with self._speaking(name):
            (self.path / name).unlink()
            _sync_directory((self.path / name).parent)

    def free_bytes(self) -> int:
        """What the file system says."""
        with self._speaking(""):
            found = os.statvfs(self.path)
            return found.f_bavail * found.f_frsize

    def _checked(self, name: str) -> os.stat_result | None:
        """The file's own facts, after a look at each folder on the way; ``None`` where there is none.

        :raises UnsafeFile: a link is on the way, and would lead somewhere else.
        """
        path, found = self.path, None
        for part in name.split("/"):
            path /= part
            try:
                found = path.lstat()
            except FileNotFoundError:
                return None
            if stat.S_ISLNK(found.st_mode):
                raise UnsafeFile(
                    "is a symbolic link, which no boot partition holds", where=str(path), fix="Name a boot partition"
                )
        return found

    @contextlib.contextmanager
    def _speaking(self, name: str) -> Iterator[None]:
        """Say what the system says, and what it means for a card."""
        where = str(self.path / name)
        try:
            yield
        except OSError as error:
            what = error.strerror or str(error)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DeviceError(f"the boot partition is full: {what}", where=where, fix="Make room there") from None
            if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise UsageError(
                    f"cannot be used: {what}", where=where, fix="Mount it writable for you, or run this as root"
                ) from None
            raise DeviceError(
                f"the card does not answer: {what}", where=where, fix="Put it in again, or take another card"
            ) from None


@contextlib.contextmanager
def open_directory(path: Path) -> Iterator[BootPartition]:
    """The partition that is mounted at ``path``, written to directly.

    :raises UsageError: there is no directory, or it is this machine's own boot partition.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(
            f"cannot be used: {error.strerror}", where=str(path), fix="Mount the card's first partition and name that"
        ) from None
    if stat.S_ISBLK(mode):
        raise UsageError(
            "is a disk, and edgeguard never writes to disks",
            where=str(path),
            fix="Mount the card's first partition and name that with --boot",
        )
    if not stat.S_ISDIR(mode):
        raise UsageError(
            "is no directory", where=str(path), fix="Name a mounted boot partition; an image goes with --image"
        )
    if str(path.resolve()) in _OWN:
        raise UsageError(
            "is this machine's own boot partition", where=str(path), fix="Name where the card's is mounted"
        )
    yield DirectoryPartition(path)


def file_system(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the file system that a directory is on, as ``vfat``; ``None`` where that cannot be told."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    resolved = path.resolve()
    best, found = -1, None
    for line in lines:
        left, _, right = line.partition(" - ")
        point = Path(left.split()[4].encode().decode("unicode_escape"))
        # Of mounts at one place the last one is on top.
        if resolved.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), right.split()[0]
    return found


def _sync_directory(path: Path) -> None:
    """Not every file system can; those that cannot write through anyway."""
    with contextlib.suppress(OSError):
        sync(path)
