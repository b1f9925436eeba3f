"""Images: written by mtools in a copy, which takes the image's place when all went well."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from edgeguard.errors import DeviceError, RejectedInput, UsageError
from edgeguard.fleet.flash import image as module
from edgeguard.fleet.flash.image import open_image
from edgeguard.fleet.flash.image_copy import copy_sparse
from edgeguard.fleet.flash.partition import BootPartition
from tests.fleet.flash.cards import FILES, PARTITION_OFFSET, make_image, needs_fat_tools, table

pytestmark = needs_fat_tools()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path / "pios.img")


def listing(path: Path) -> list[str]:
    return sorted(os.listdir(path))


def test_what_was_written_is_in_the_image(image: Path) -> None:
    big = os.urandom(3_000_000)
    with open_image(image) as card:
        assert card.exists("config.txt")
        assert not card.exists("none.txt")
        free = card.free_bytes()
        card.write("edgeguard/bundle-1.tar", big)
        card.write("user-data", b"#cloud-config\nnew\n")
        assert free - 3_200_000 < card.free_bytes() < free - 3_000_000
        assert card.names("edgeguard") == ("bundle-1.tar",)
        assert card.names("none") == ()
    with open_image(image) as card:
        assert card.read("edgeguard/bundle-1.tar") == big
        assert card.read("user-data") == b"#cloud-config\nnew\n"
        assert card.read("cmdline.txt") == FILES["cmdline.txt"]
        card.remove("edgeguard/bundle-1.tar")
        assert card.names("edgeguard") == ()
    assert listing(image.parent) == ["pios.img"]


def test_the_file_system_is_sound_afterwards(image: Path, tmp_path: Path) -> None:
    with open_image(image) as card:
        card.write("edgeguard/x", b"x" * 1_000_000)
        card.write("user-data", b"longer than before" * 1000)
    partition = tmp_path / "partition"
    partition.write_bytes(image.read_bytes()[PARTITION_OFFSET:][: 40 << 20])
    checked = subprocess.run(
        ["fsck.fat", "-n", str(partition)], capture_output=True, text=True, env={"PATH": "/sbin:/usr/sbin:/usr/bin"}
    )
    assert checked.returncode == 0, checked.stdout


def fail_half_way(card: BootPartition) -> None:
    card.write("user-data", b"new")
    raise ZeroDivisionError


def test_an_error_leaves_the_image_as_it_was(image: Path) -> None:
    before = image.read_bytes()
    with pytest.raises(ZeroDivisionError), open_image(image) as card:
        fail_half_way(card)
    assert image.read_bytes() == before
    assert listing(image.parent) == ["pios.img"]


def test_a_full_partition_is_named_and_leaves_the_image_as_it_was(image: Path) -> None:
    before = image.read_bytes()
    with pytest.raises(DeviceError, match="the boot partition is full"), open_image(image) as card:
        card.write("edgeguard/bundle", bytes(80_000_000))
    assert image.read_bytes() == before


def test_copies_of_killed_runs_go_and_those_of_living_ones_stay(image: Path) -> None:
    dead = image.with_name(".pios.img.tmp-dead")
    dead.write_bytes(b"half")
    with open_image(image):
        assert not dead.exists()
        with open_image(image):
            assert len(listing(image.parent)) == 3


def test_mode_and_links_are_kept(image: Path, tmp_path: Path) -> None:
    image.chmod(0o640)
    link = tmp_path / "link.img"
    link.symlink_to(image)
    with open_image(link) as card:
        card.write("user-data", b"new")
    assert link.is_symlink()
    assert stat.S_IMODE(image.stat().st_mode) == 0o640
    with open_image(image) as card:
        assert card.read("user-data") == b"new"


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "device"])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/null")
    with pytest.raises(UsageError), open_image(path):
        pass


def test_a_disk_is_never_opened(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "by-id"
    link.symlink_to(image)
    real = Path.stat

    def disk(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = real(self, follow_symlinks=follow_symlinks)
        if follow_symlinks and os.path.realpath(self) == str(image):
            return os.stat_result((stat.S_IFBLK | 0o660, *tuple(found)[1:]))
        return found

    def never(*_: object) -> int:
        raise AssertionError("it was opened")

    monkeypatch.setattr(Path, "stat", disk)
    monkeypatch.setattr(module.os, "open", never)
    for path in (image, link):
        with pytest.raises(UsageError, match="never writes to disks"), open_image(path):
            pass


def test_a_disk_that_took_the_images_place_meanwhile_is_refused(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fstat

    def disk(handle: int) -> os.stat_result:
        return os.stat_result((stat.S_IFBLK | 0o660, *tuple(real(handle))[1:]))

    monkeypatch.setattr(module.os, "fstat", disk)
    with pytest.raises(UsageError, match="never writes to disks"), open_image(image):
        pass


def test_hostile_and_broken_images_are_refused(image: Path) -> None:
    good = image.read_bytes()
    for data, words in (
        (good[: PARTITION_OFFSET + 1000], "cut short"),
        (table((0x0C, 8192, 2048)) + good[512:PARTITION_OFFSET] + bytes(2 << 20), "holds no FAT file system"),
        (good[PARTITION_OFFSET : PARTITION_OFFSET + (1 << 20)], "is a single partition"),
        (b"\xfd7zXZ\x00" + good[6:], "compressed"),
    ):
        image.write_bytes(data)
        with pytest.raises(RejectedInput, match=words) as caught, open_image(image):
            pass
        assert caught.value.where == str(image)
        assert image.read_bytes() == data


def test_a_damaged_file_system_raises_our_own_errors_only(image: Path) -> None:
    data = bytearray(image.read_bytes())
    data[PARTITION_OFFSET + 11 : PARTITION_OFFSET + 50] = b"\xff" * 39
    image.write_bytes(data)
    with pytest.raises(RejectedInput, match="cannot be read"), open_image(image) as card:
        card.free_bytes()
    with pytest.raises(DeviceError, match="damaged"), open_image(image) as card:
        card.write("user-data", b"x")


def test_missing_mtools_are_named(image: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="mtools is not installed"), open_image(image) as card:
        card.free_bytes()


@pytest.mark.parametrize("layout", ["empty", "hole", "data", "mixed"])
def test_copies_are_equal_and_keep_their_holes(tmp_path: Path, layout: str) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    with source.open("wb") as stream:
        if layout != "empty":
            stream.truncate(50 << 20)
        if layout in ("data", "mixed"):
            stream.write(os.urandom(20 << 20))
        if layout == "mixed":
            stream.seek(45 << 20)
            stream.write(b"end")
    with source.open("rb") as one, target.open("wb+") as other:
        copy_sparse(one, other)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks <= source.stat().st_blocks + 64
