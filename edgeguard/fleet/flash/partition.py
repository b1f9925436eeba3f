"""A boot partition to write to, wherever it is."""

from __future__ import annotations

from typing import Protocol

__all__ = ["LEFTOVER", "BootPartition"]

# How a file's name ends until it is whole and takes its place. A killed run leaves it so.
LEFTOVER = ".new"


class BootPartition(Protocol):
    """The FAT partition that the Pi's firmware reads. Names are relative to its root, with slashes.

    Every method raises :class:`~edgeguard.errors.DeviceError` where the medium fails or is full, and
    :class:`~edgeguard.errors.UsageError` where it may not be written.
    """

    @property
    def where(self) -> str:
        """What the user called it."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        ...

    def names(self, folder: str) -> tuple[str, ...]:
        """Names of the files in a folder; none where there is no such folder."""
        ...

    def read(self, name: str) -> bytes:
        """A file's content, from the medium rather than from a cache where the system lets us choose."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a file, and its folder where it is missing: whole, or the old one stays."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...

    def free_bytes(self) -> int:
        """Room that is left."""
        ...
