"""A mounted boot partition: whole files, no links, no disks."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from edgeguard.errors import DeviceError, EdgeguardError, UnsafeFile, UsageError
from edgeguard.fleet.flash import directory as module
from edgeguard.fleet.flash.directory import DirectoryPartition, file_system, open_directory
from tests.fleet.flash.cards import make_boot


@pytest.fixture
def card(tmp_path: Path) -> DirectoryPartition:
    return DirectoryPartition(make_boot(tmp_path / "boot"))


def test_what_is_written_is_there_and_nothing_else(card: DirectoryPartition) -> None:
    before = sorted(os.listdir(card.path))
    card.write("edgeguard/bundle", b"x" * 100_000)
    card.write("config.txt", b"new")
    assert card.read("edgeguard/bundle") == b"x" * 100_000
    assert card.read("config.txt") == b"new"
    assert card.names("edgeguard") == ("bundle",)
    assert sorted(os.listdir(card.path)) == sorted([*before, "edgeguard"])
    card.remove("edgeguard/bundle")
    assert card.names("edgeguard") == ()
    assert not card.exists("edgeguard/bundle")
    assert card.names("none") == ()
    assert not card.exists("edgeguard")
    assert card.free_bytes() > 0


def test_a_leftover_of_a_killed_run_is_no_obstacle(card: DirectoryPartition) -> None:
    (card.path / "config.txt.new").write_bytes(b"half")
    card.write("config.txt", b"whole")
    assert card.read("config.txt") == b"whole"
    assert not (card.path / "config.txt.new").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_medium_that_fails_leaves_the_old_file_and_is_named(
    card: DirectoryPartition, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module.os, "fsync", fail)
    expected: tuple[type[EdgeguardError], str] = {
        errno.ENOSPC: (DeviceError, "is full"),
        errno.EROFS: (UsageError, "cannot be used: Read-only"),
        errno.EIO: (DeviceError, "does not answer"),
    }[code]
    with pytest.raises(expected[0], match=expected[1]) as caught:
        card.write("config.txt", b"new")
    assert caught.value.exit_code == expected[0].exit_code
    assert card.read("config.txt") == b"arm_64bit=1\n"
    assert not (card.path / "config.txt.new").exists()


def test_links_are_refused_wherever_they_lead(card: DirectoryPartition, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (card.path / "edgeguard").symlink_to(elsewhere)
    (card.path / "user-data").unlink()
    (card.path / "user-data").symlink_to(victim)
    for attempt in (
        lambda: card.write("edgeguard/bundle", b"x"),
        lambda: card.write("user-data", b"x"),
        lambda: card.read("user-data"),
        lambda: card.exists("user-data"),
        lambda: card.names("edgeguard"),
        lambda: card.read("edgeguard/bundle"),
    ):
        with pytest.raises(UnsafeFile, match="is a symbolic link"):
            attempt()
    assert victim.read_bytes() == b"mine"
    assert os.listdir(elsewhere) == []


def test_what_is_no_plain_file_is_not_read(card: DirectoryPartition) -> None:
    os.mkfifo(card.path / "pipe")
    assert not card.exists("pipe")
    with pytest.raises(UnsafeFile, match="is no plain file"):
        card.read("pipe")


def opened(path: Path) -> Any:
    with open_directory(path) as card:
        return card


def test_only_a_directory_can_be_a_mounted_partition(tmp_path: Path) -> None:
    assert opened(make_boot(tmp_path / "boot")).where == str(tmp_path / "boot")
    with pytest.raises(UsageError, match="cannot be used: No such file"):
        opened(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is no directory"):
        opened(tmp_path / "file")
    (tmp_path / "link").symlink_to("/")
    for own in (Path("/"), tmp_path / "link", Path("/boot")):
        with pytest.raises(UsageError, match="own boot partition"):
            opened(own)


def test_a_disk_is_refused_through_a_link_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "sda"
    device.touch()
    (tmp_path / "card").symlink_to(device)
    real = Path.stat

    def disk(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = real(self, follow_symlinks=follow_symlinks)
        if follow_symlinks and os.path.realpath(self) == str(device):
            return os.stat_result((stat.S_IFBLK | 0o660, *tuple(found)[1:]))
        return found

    monkeypatch.setattr(Path, "stat", disk)
    for path in (device, tmp_path / "card"):
        with pytest.raises(UsageError, match="never writes to disks"):
            opened(path)


def test_the_file_system_is_told_by_the_innermost_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "23 22 8:2 / /media/my\\040card rw,nosuid shared:1 master:2 - vfat /dev/sdb1 rw\n"
        "24 22 8:3 / /media/top rw - tmpfs tmpfs rw\n"
        "25 24 8:4 / /media/top rw - msdos /dev/sdc1 rw\n"
    )
    assert file_system(Path("/home/me"), mounts) == "ext4"
    assert file_system(Path("/media/my card/edgeguard"), mounts) == "vfat"
    assert file_system(Path("/media/my cards"), mounts) == "ext4"
    assert file_system(Path("/media/top"), mounts) == "msdos"
    assert file_system(Path("/"), tmp_path / "none") is None
    assert file_system(tmp_path) is not None
