"""The one archive format that the kernel reads an initial RAM disk from: cpio "newc", no tool needed to write it."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Entry", "Writable", "device", "directory", "executable", "write_cpio"]


class Writable(Protocol):
    """A binary stream, plain or compressing."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``."""


_MAGIC = b"070701"
_END = "TRAILER!!!"
_ALIGNMENT = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One member; what it belongs to is root's, what time it has is the epoch, so equal content is equal bytes.

    :param mode: file type and permissions, as in ``st_mode``.
    :param numbers: major and minor of a device node.
    """

    name: str
    mode: int
    data: bytes = b""
    numbers: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if not self.name or self.name.startswith("/"):
            raise ValueError(f"a member's name is relative, not {self.name!r}")


def directory(name: str) -> Entry:
    """A directory that everybody may enter."""
    return Entry(name, stat.S_IFDIR | 0o755)


def executable(name: str, data: bytes) -> Entry:
    """A file that everybody may run."""
    return Entry(name, stat.S_IFREG | 0o755, data)


def device(name: str, major: int, minor: int) -> Entry:
    """A character device for root."""
    return Entry(name, stat.S_IFCHR | 0o600, numbers=(major, minor))


def write_cpio(stream: Writable, entries: Iterable[Entry]) -> None:
    """Write the archive; directories must come before what lies in them.

    Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    for number, entry in enumerate([*entries, Entry(_END, 0)], start=1):
        name = entry.name.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device of the file system (2), of the node (2), name, checksum
        fields = (number, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, *entry.numbers, len(name), 0)
        header = _MAGIC + b"".join(b"%08X" % field for field in fields)
        stream.write(_padded(header + name))
        stream.write(_padded(entry.data))


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _ALIGNMENT)
