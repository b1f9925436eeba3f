"""The device's image: built once per recipe, kept below ``build/device/images``, shared by every machine."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device_tests.emulator import archive, recipe
from device_tests.emulator.disk import make_disk
from device_tests.emulator.root import assemble, unpack_kernel, write_initrd

__all__ = ["DIRECTORY", "Image", "build", "locked"]

DIRECTORY = Path(__file__).resolve().parents[2] / "build" / "device"
_HOST_KEY = "ssh_host_ed25519_key"
_UNUSED_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image; nothing in its directory changes any more.

    :param directory: where its files lie; the last part is the recipe's digest.
    """

    directory: Path

    @property
    def disk(self) -> Path:
        """The root disk, ext4 without a partition table, sparse."""
        return self.directory / "root.ext4"

    @property
    def kernel(self) -> Path:
        """The arm64 kernel."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initial RAM disk."""
        return self.directory / "initrd.gz"

    @property
    def key(self) -> Path:
        """The private key that opens the accounts ``pi`` and ``root``."""
        return self.directory / "id_ed25519"

    @property
    def host_key(self) -> str:
        """The public key that the device answers with: type and base64, as in a line of ``known_hosts``."""
        return " ".join((self.directory / f"{_HOST_KEY}.pub").read_text().split()[:2])

    @property
    def complete(self) -> bool:
        """Whether it was built to the end: the directory appears in one step."""
        return self.directory.is_dir()


def build(directory: Path = DIRECTORY, say: Callable[[str], None] = lambda _: None) -> Image:
    """The image of the present recipe, built if it is not there yet; others wait for the one who builds.

    :param directory: keeps downloads, images and the state of machines.
    :raises Unavailable: the Debian archive cannot be reached.
    :raises DeviceError: a package or a tool fails.
    """
    directory.mkdir(parents=True, exist_ok=True)
    image = Image(directory / "images" / recipe.DIGEST)
    with locked(directory / "build.lock"):
        if not image.complete:
            _build(directory, image, say)
            _drop_unused(image.directory.parent)
        # The directory's time tells when it was last used.
        os.utime(image.directory)
    return image


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file; the kernel drops the lock however the process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(directory: Path, image: Image, say: Callable[[str], None]) -> None:
    image.directory.parent.mkdir(exist_ok=True)
    for left in image.directory.parent.glob("tmp-*"):
        shutil.rmtree(left)
    packages = archive.fetch(directory / "apt", recipe.PACKAGES, recipe.KERNEL)
    say(f"{len(packages.userland) + 1} packages are there")
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=image.directory.parent) as scratch:
        root, staging = Path(scratch) / "root", Image(Path(scratch) / "image")
        root.mkdir()
        staging.directory.mkdir()
        host_key = staging.directory / _HOST_KEY
        for key in (staging.key, host_key):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", recipe.HOSTNAME, "-f", str(key)]
            subprocess.run(command, check=True)
        assemble(root, packages.userland, host_key, staging.key.with_suffix(".pub").read_text())
        say("packages are unpacked")
        kernel = unpack_kernel(packages.kernel)
        staging.kernel.write_bytes(kernel["vmlinuz"])
        write_initrd(staging.initrd, root / "usr/bin/busybox", kernel)
        make_disk(staging.disk, root, recipe.DISK_BYTES, recipe.OWNERS)
        os.rename(staging.directory, image.directory)
    say(f"image {image.directory.name} is built")


def _drop_unused(images: Path) -> None:
    """Remove the images of older recipes, unless another process may be about to copy one: see :func:`build`."""
    for image in images.iterdir():
        if time.time() - image.stat().st_mtime > _UNUSED_SECONDS:
            shutil.rmtree(image, ignore_errors=True)
