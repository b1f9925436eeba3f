"""The parts of the builder, and its cache; the image itself is tested where it boots."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from device_tests.emulator import cpio, image, recipe
from device_tests.emulator.archive import planned_files
from device_tests.emulator.disk import make_disk, ownership
from device_tests.emulator.tools import find
from edgeguard.errors import DeviceError

needs_ext4 = pytest.mark.skipif(find("mke2fs") is None or find("debugfs") is None, reason="needs e2fsprogs")


def archive(entries: list[cpio.Entry]) -> bytes:
    stream = io.BytesIO()
    cpio.write_cpio(stream, entries)
    return stream.getvalue()


def test_the_archive_has_the_layout_that_the_kernel_documents() -> None:
    data = archive([cpio.device("dev/console", 5, 1), cpio.executable("init", b"#!/bin/sh\n")])
    fields = [int(data[6 + 8 * n : 14 + 8 * n], 16) for n in range(13)]
    assert data[:6] == b"070701"
    assert fields == [1, stat.S_IFCHR | 0o600, 0, 0, 1, 0, 0, 0, 0, 5, 1, 12, 0]
    assert data[110:122] == b"dev/console\0"
    second = 110 + 12 + 2
    assert second % 4 == 0
    assert data[second : second + 6] == b"070701"
    assert int(data[second + 6 + 8 * 6 : second + 14 + 8 * 6], 16) == len(b"#!/bin/sh\n")
    assert b"TRAILER!!!\0" in data
    assert len(data) % 4 == 0


@pytest.mark.parametrize("name", ["", "/init"])
def test_a_member_has_a_relative_name(name: str) -> None:
    with pytest.raises(ValueError, match="relative"):
        cpio.executable(name, b"")


def test_the_planned_files_are_read_from_apts_simulation() -> None:
    plan = (
        "NOTE: This is only a simulation!\n"
        "Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [arm64]) []\n"
        "Inst openssh-server (1:9.2p1-2+deb12u7 Debian:12.15/oldstable, Debian-Security:12 [arm64])\n"
        "Inst adduser:arm64 (3.134 Debian:12.15/oldstable [all])\n"
        "Conf libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [arm64])\n"
    )
    assert planned_files(plan) == [
        "libc6_2.36-9+deb12u14_arm64.deb",
        "openssh-server_1%3a9.2p1-2+deb12u7_arm64.deb",
        "adduser_3.134_all.deb",
    ]


@needs_ext4
def test_a_disk_holds_the_tree_with_its_owners(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "home/pi/a directory").mkdir(parents=True)
    (root / "home/pi/a directory/file").write_text("x")
    (root / "home/pirate").mkdir()
    (root / "etc").mkdir()
    make_disk(tmp_path / "disk", root, 16 << 20, {"/home/pi": (1000, 1001)})
    owners = {"/": "0 0", "/etc": "0 0", "/home": "0 0", "/home/pirate": "0 0", "/home/pi": "1000 1001"}
    owners |= {"/home/pi/a directory": "1000 1001", "/home/pi/a directory/file": "1000 1001"}
    for path, expected in owners.items():
        command = [find("debugfs") or "", "-R", f'stat "{path}"', str(tmp_path / "disk")]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        line = next(line for line in shown.splitlines() if line.startswith("User:")).split()
        assert f"{line[1]} {line[3]}" == expected, path
    assert (tmp_path / "disk").stat().st_blocks * 512 < 8 << 20, "not sparse"
    check = subprocess.run(
        [find("e2fsck") or "e2fsck", "-fn", str(tmp_path / "disk")], capture_output=True, check=False
    )
    assert check.returncode == 0, check.stdout


def test_what_an_ordinary_user_unpacked_becomes_roots(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    changes = list(ownership(tmp_path, {"/etc": (os.getuid() + 1, os.getgid())}))
    assert changes == [('"/etc"', "uid", os.getuid() + 1)]


@needs_ext4
def test_a_disk_that_is_too_small_is_reported(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/big").write_bytes(os.urandom(4 << 20))
    with pytest.raises(DeviceError, match="mke2fs failed"):
        make_disk(tmp_path / "disk", tmp_path / "root", 2 << 20, {})


def test_the_digest_follows_the_recipe_and_nothing_else(tmp_path: Path) -> None:
    package = Path(recipe.__file__).parent
    shutil.copytree(package, tmp_path / "emulator", ignore=shutil.ignore_patterns("__pycache__"))
    copy = tmp_path / "emulator"
    assert recipe.digest(copy) == recipe.DIGEST
    (copy / "service.py").write_text("# how a machine is started does not matter\n")
    assert recipe.digest(copy) == recipe.DIGEST
    for name in ("recipe.py", "root.py", "files/init", "files/rc"):
        before = recipe.digest(copy)
        (copy / name).write_text((copy / name).read_text() + "\n")
        assert recipe.digest(copy) != before, name


def test_an_image_is_built_once_however_many_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The download and the tools are left out: what is tested is who builds."""
    built = []

    def build(directory: Path, wanted: image.Image, say: object) -> None:
        built.append(wanted)
        wanted.directory.mkdir(parents=True)

    monkeypatch.setattr(image, "_build", build)
    threads = [threading.Thread(target=image.build, args=(tmp_path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [image.Image(tmp_path / "images" / recipe.DIGEST)]


def test_images_that_were_long_unused_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "_build", lambda *given: given[1].directory.mkdir())
    for name, age in (("old", 25 * 3600.0), ("recent", 3600.0)):
        (tmp_path / "images" / name).mkdir(parents=True)
        moment = (tmp_path / "images" / name).stat().st_mtime - age
        os.utime(tmp_path / "images" / name, (moment, moment))
    present = image.build(tmp_path)
    assert {path.name for path in (tmp_path / "images").iterdir()} == {"recent", present.directory.name}
