"""The image that tests flash: boot record, FAT "bootfs", ext4 "rootfs"; built once, by any user."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from device_tests.emulator import archive, cloud_recipe, recipe
from device_tests.emulator.cloud_root import assemble, write_initrd
from device_tests.emulator.disk import make_disk
from device_tests.emulator.image import DIRECTORY, locked
from device_tests.emulator.root import unpack, unpack_kernel
from device_tests.emulator.tools import find
from edgeguard.errors import DeviceError

__all__ = ["BOOT_OFFSET", "CloudImage", "build_cloud_image"]

_SECTOR = 512
_LARGE = 1 << 22
BOOT_OFFSET = _LARGE
_ROOT_OFFSET = BOOT_OFFSET + cloud_recipe.BOOT_BYTES
_DISK_ID = 0x12345678
_FAT_LBA, _LINUX = 0x0C, 0x83


@dataclass(frozen=True, slots=True)
class CloudImage:
    """A finished image, not flashed; nothing in its directory changes any more."""

    directory: Path

    @property
    def disk(self) -> Path:
        """The whole disk, sparse."""
        return self.directory / "pios.img"

    @property
    def kernel(self) -> Path:
        """The arm64 kernel, which QEMU loads in the firmware's place."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initial RAM disk."""
        return self.directory / "initrd.gz"


def build_cloud_image(directory: Path = DIRECTORY, say: Callable[[str], None] = lambda _: None) -> CloudImage:
    """The image of the present recipe, built if it is not there yet; others wait for the one who builds.

    :raises Unavailable: the Debian archive cannot be reached.
    :raises DeviceError: a package or a tool fails.
    """
    directory.mkdir(parents=True, exist_ok=True)
    image = CloudImage(directory / "cloud" / cloud_recipe.DIGEST)
    with locked(directory / "cloud.lock"):
        if not image.directory.is_dir():
            shutil.rmtree(image.directory.parent, ignore_errors=True)
            image.directory.parent.mkdir()
            with tempfile.TemporaryDirectory(prefix="tmp-", dir=image.directory.parent) as scratch:
                _build(directory, Path(scratch), image, say)
    return image


def _build(directory: Path, scratch: Path, image: CloudImage, say: Callable[[str], None]) -> None:
    staging = CloudImage(scratch / "image")
    staging.directory.mkdir()
    # The emulated device's kernel and busybox: their packages are there already.
    with locked(directory / "build.lock"):
        device = archive.fetch(directory / "apt", recipe.PACKAGES, recipe.KERNEL)
    packages = archive.fetch(directory / "apt-cloud", cloud_recipe.PACKAGES, recipe.KERNEL, cloud_recipe.SUITE)
    say(f"{len(packages.userland)} packages are there")
    root = scratch / "root"
    root.mkdir()
    assemble(root, packages.userland)
    say("packages are unpacked")
    kernel = unpack_kernel(device.kernel, cloud_recipe.MODULES)
    staging.kernel.write_bytes(kernel["vmlinuz"])
    write_initrd(staging.initrd, _busybox(device.userland, scratch / "busybox"), kernel)
    make_disk(scratch / "root.ext4", root, cloud_recipe.ROOT_BYTES, {})
    _run("e2label", str(scratch / "root.ext4"), "rootfs")
    _write_disk(staging.disk, scratch / "root.ext4")
    os.rename(staging.directory, image.directory)
    say(f"image {image.directory.name} is built")


def _busybox(packages: tuple[Path, ...], folder: Path) -> bytes:
    folder.mkdir()
    unpack(next(path for path in packages if path.name.startswith("busybox-static_")), folder)
    return next(path for path in (folder / "usr/bin/busybox", folder / "bin/busybox") if path.is_file()).read_bytes()


def _write_disk(disk: Path, root: Path) -> None:
    with disk.open("wb") as stream:
        stream.truncate(_ROOT_OFFSET + cloud_recipe.ROOT_BYTES)
        stream.write(_boot_record())
        with root.open("rb") as source:
            for start, end in _data(source.fileno(), cloud_recipe.ROOT_BYTES):
                stream.seek(_ROOT_OFFSET + start)
                source.seek(start)
                while start < end:
                    stream.write(source.read(min(_LARGE, end - start)))
                    start += _LARGE
    blocks = str(cloud_recipe.BOOT_BYTES // 1024)
    _run("mkfs.vfat", "-F", "32", "-s", "1", "-n", "bootfs", "--offset", str(BOOT_OFFSET // _SECTOR), str(disk), blocks)
    for name, text in cloud_recipe.BOOT_FILES.items():
        _run("mcopy", "-i", f"{disk}@@{BOOT_OFFSET}", "-", f"::/{name}", text=text)


def _boot_record() -> bytes:
    record = bytearray(_SECTOR)
    struct.pack_into("<I", record, 440, _DISK_ID)
    partitions = ((_FAT_LBA, BOOT_OFFSET, cloud_recipe.BOOT_BYTES), (_LINUX, _ROOT_OFFSET, cloud_recipe.ROOT_BYTES))
    for index, (kind, offset, size) in enumerate(partitions):
        struct.pack_into("<4xB3xII", record, 446 + 16 * index, kind, offset // _SECTOR, size // _SECTOR)
    record[510:] = b"\x55\xaa"
    return bytes(record)


def _data(handle: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of a sparse file that are no holes."""
    end = 0
    while end < size:
        try:
            start = os.lseek(handle, end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(handle, start, os.SEEK_HOLE)
        yield start, end


def _run(program: str, *arguments: str, text: str = "") -> None:
    command = [find(program) or program, *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeviceError(f"{program} failed: {done.stderr.strip()[-400:]}", where=arguments[-1])
