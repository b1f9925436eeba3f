"""Finding the boot partition in a disk image: the four primary entries of a master boot record.

Layout: byte 446, 16 bytes an entry (type at 4, first sector at 8, sectors at 12, little-endian), 0x55AA at byte 510; a
sector has 512 bytes. The Pi's firmware boots from the first FAT partition.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edgeguard.errors import RejectedInput

__all__ = ["HEADER_BYTES", "Extent", "find_boot_partition", "is_fat", "refuse_other_formats"]

HEADER_BYTES = 512
_SECTOR = 512
_FAT_TYPES = frozenset({0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E})
_GPT_TYPE = 0xEE
_SIGNATURE = b"\x55\xaa"
_COMPRESSED = (
    (b"\xfd7zXZ\x00", "xz", "xz -dk FILE"),
    (b"PK\x03\x04", "zip", "unzip FILE"),
    (b"\x1f\x8b", "gzip", "gunzip -k FILE"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d FILE"),
    (b"BZh", "bzip2", "bunzip2 -k FILE"),
)
# Where the boot sector of a FAT12/16 and of a FAT32 names its type.
_FAT_NAMES = (slice(54, 59), slice(82, 87))
_FIX = "Take the unpacked image of Raspberry Pi OS (64-bit), Trixie or later"


@dataclass(frozen=True, slots=True)
class Extent:
    """A part of an image, in bytes."""

    offset: int
    size: int


def find_boot_partition(header: bytes, image_size: int, where: str) -> Extent:
    """The first FAT partition.

    :param header: the image's first :data:`HEADER_BYTES`.
    :param image_size: in bytes.
    :raises RejectedInput: the image is compressed, cut short, partitioned otherwise, or holds no FAT partition.
    """
    refuse_other_formats(header, where)
    entries = [struct.unpack_from("<4xB3xII", header, 446 + 16 * index) for index in range(4)]
    if any(kind == _GPT_TYPE for kind, _, _ in entries):
        raise RejectedInput("has a GUID partition table, which no image of Raspberry Pi OS has", where=where, fix=_FIX)
    found = next(((first, count) for kind, first, count in entries if kind in _FAT_TYPES and count), None)
    if found is None:
        raise RejectedInput("holds no FAT partition", where=where, fix=_FIX)
    extent = Extent(found[0] * _SECTOR, found[1] * _SECTOR)
    if extent.offset == 0:
        raise RejectedInput("has a partition that lies over its own table", where=where, fix=_FIX)
    if extent.offset + extent.size > image_size:
        raise RejectedInput(
            "is cut short: its boot partition ends beyond its end", where=where, fix="Download or unpack it again"
        )
    return extent


def refuse_other_formats(header: bytes, where: str) -> None:
    """Say what a file is that is no disk image.

    :raises RejectedInput: it is compressed, too short, a single partition, or has no partition table.
    """
    for magic, name, command in _COMPRESSED:
        if header.startswith(magic):
            raise RejectedInput(f"is compressed ({name})", where=where, fix=f"Unpack it first: {command}")
    if len(header) < HEADER_BYTES:
        raise RejectedInput("is too short for a disk image", where=where, fix="Download or unpack it again")
    if is_fat(header):
        raise RejectedInput("is a single partition, no disk image", where=where, fix=_FIX)
    if header[510:512] != _SIGNATURE:
        raise RejectedInput("is no disk image: it has no partition table", where=where, fix=_FIX)


def is_fat(sector: bytes) -> bool:
    """Whether this is the first sector of a FAT file system."""
    return sector[510:512] == _SIGNATURE and any(sector[place].startswith(b"FAT") for place in _FAT_NAMES)
