"""Boot partitions for tests, as Raspberry Pi OS Trixie has them: in a directory, and in an image with mtools."""

from __future__ import annotations

import base64
import struct
import subprocess
from pathlib import Path

import pytest

from edgeguard.fleet.flash.public_keys import PublicKey

__all__ = [
    "KERNEL_LINE",
    "PARTITION_OFFSET",
    "key",
    "make_boot",
    "make_image",
    "make_wheels",
    "needs_fat_tools",
    "table",
]

KERNEL_LINE = (
    b"console=serial0,115200 console=tty1 root=PARTUUID=12345678-02 rootfstype=ext4 fsck.repair=yes rootwait\n"
)
FILES = {
    "config.txt": b"arm_64bit=1\n",
    "cmdline.txt": KERNEL_LINE,
    "user-data": b"#cloud-config\n\n#hostname: raspberrypi\n",
    "meta-data": b"dsmode: local\ninstance_id: rpios-image\n",
    "network-config": b"#network:\n#  version: 2\n",
}
PARTITION_OFFSET = 8192 * 512


def key(kind: str = "ssh-ed25519", comment: str = "me@desk") -> PublicKey:
    """A public key of the right form; nobody holds its private half."""
    raw = len(kind).to_bytes(4, "big") + kind.encode() + (32).to_bytes(4, "big") + bytes(range(32))
    return PublicKey(kind, base64.b64encode(raw).decode(), comment)


def make_boot(directory: Path) -> Path:
    """A boot partition's files in a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (directory / name).write_bytes(data)
    return directory


def table(*entries: tuple[int, int, int]) -> bytes:
    """A master boot record with these partitions: type, first sector, sectors."""
    header = bytearray(512)
    for index, (kind, first, count) in enumerate(entries):
        struct.pack_into("<4xB3xII", header, 446 + 16 * index, kind, first, count)
    header[510:] = b"\x55\xaa"
    return bytes(header)


def needs_fat_tools() -> pytest.MarkDecorator:
    """Skips where an image cannot be made; the reason names what is missing."""
    import shutil

    missing = [tool for tool in ("mkfs.fat", "mcopy") if shutil.which(tool, path=_path()) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} missing: apt install dosfstools mtools")


def make_image(path: Path, *, megabytes: int = 40) -> Path:
    """An image with a FAT32 boot partition at 4 MiB that holds :data:`FILES`, and an empty second partition."""
    sectors = megabytes * 2048
    with path.open("wb") as stream:
        stream.truncate(PARTITION_OFFSET + sectors * 512 + (1 << 20))
    command = ["mkfs.fat", "-F", "32", "-s", "1", "-n", "bootfs", "--offset", "8192", str(path), str(sectors // 2)]
    subprocess.run(command, check=True, capture_output=True, env={"PATH": _path()})
    with path.open("r+b") as stream:
        stream.write(table((0x0C, 8192, sectors), (0x83, 8192 + sectors, 2048)))
    for name, data in FILES.items():
        put = ["mcopy", "-o", "-i", f"{path}@@{PARTITION_OFFSET}", "-", f"::/{name}"]
        subprocess.run(put, input=data, check=True, capture_output=True)
    return path


def make_wheels(directory: Path) -> tuple[Path, ...]:
    """Files with the names of wheels; nothing could be installed from them."""
    directory.mkdir()
    for name in (
        "edgeguard-0.1-py3-none-any.whl",
        "pip-25.0-py3-none-any.whl",
        "numpy-2.1-cp313-cp313-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl",
    ):
        (directory / name).write_bytes(name.encode() * 100)
    return tuple(sorted(directory.iterdir()))


def _path() -> str:
    """mkfs.fat is where only root looks."""
    import os

    return f"{os.environ['PATH']}:/usr/sbin:/sbin"
