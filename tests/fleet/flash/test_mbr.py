"""Disk images: the boot partition is found, and whatever is none is refused with what to do."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.errors import RejectedInput
from edgeguard.fleet.flash.mbr import HEADER_BYTES, Extent, find_boot_partition
from tests.fleet.flash.cards import table

SIZE = 1 << 30
FAT16 = b"\xeb\x3c\x90mkfs.fat" + bytes(43) + b"FAT16   " + bytes(448) + b"\x55\xaa"


@pytest.mark.parametrize("kind", [0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E])
def test_the_first_fat_partition_is_found_wherever_it_stands_in_the_table(kind: int) -> None:
    header = table((0x83, 2048, 100), (0, 0, 0), (kind, 8192, 1000), (0x0C, 100_000, 1000))
    assert find_boot_partition(header, SIZE, "x") == Extent(8192 * 512, 1000 * 512)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"", "too short"),
        (bytes(511), "too short"),
        (bytes(512), "no partition table"),
        (b"\x7fELF" + bytes(508), "no partition table"),
        (table((0xEE, 1, 0xFFFFFFFF)), "GUID partition table"),
        (table((0x83, 2048, 100)), "holds no FAT partition"),
        (table(), "holds no FAT partition"),
        (table((0x0C, 8192, 0)), "holds no FAT partition"),
        (table((0x0C, 0, 100)), "over its own table"),
        (table((0x0C, 8192, SIZE // 512)), "cut short"),
        (table((0x0C, 0xFFFFFFFF, 0xFFFFFFFF)), "cut short"),
        (FAT16, "is a single partition"),
        (lzma.compress(bytes(9999))[:512].ljust(512), r"compressed \(xz\)"),
        (gzip.compress(bytes(9999))[:512].ljust(512), r"compressed \(gzip\)"),
        (bz2.compress(bytes(9999)).ljust(512), r"compressed \(bzip2\)"),
        (b"\x28\xb5\x2f\xfd".ljust(512), r"compressed \(zstd\)"),
        (b"PK\x03\x04".ljust(512), r"compressed \(zip\)"),
    ],
)
def test_other_files_are_refused_with_what_to_do(header: bytes, words: str) -> None:
    with pytest.raises(RejectedInput, match=words) as caught:
        find_boot_partition(header, SIZE, "x")
    assert caught.value.fix


entries = st.tuples(st.sampled_from([0, 0x0C, 0x0B, 0x83, 0x05]), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))


@given(st.lists(entries, max_size=4), st.integers(0, 2**42))
def test_what_is_found_lies_inside_the_image_and_not_over_the_table(
    partitions: list[tuple[int, int, int]], size: int
) -> None:
    try:
        extent = find_boot_partition(table(*partitions), size, "x")
    except RejectedInput:
        return
    assert extent.size > 0
    assert HEADER_BYTES <= extent.offset <= size - extent.size


@given(st.binary(max_size=600))
def test_no_bytes_raise_anything_else(header: bytes) -> None:
    with contextlib.suppress(RejectedInput):
        find_boot_partition(header[:HEADER_BYTES], SIZE, "x")
