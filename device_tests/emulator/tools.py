"""What the emulated device needs on this machine, and the Debian packages that bring it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable

from device_tests.emulator.recipe import SUITE
from device_tests.emulator.sources import debian_source, host_sources
from edgeguard.errors import DeviceError

__all__ = ["Unavailable", "find", "install", "install_command", "missing_programs", "missing_tools"]

# Programs, and the Debian package of each.
PROGRAMS = {
    "qemu-system-aarch64": "qemu-system-arm",
    "mcopy": "mtools",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "setpriv": "util-linux",
    "setsid": "util-linux",
    "tar": "tar",
    "cp": "coreutils",
}
# Not on the PATH of a user who is not root.
_ADMIN = "/usr/sbin:/sbin"


class Unavailable(DeviceError):
    """This machine cannot have the emulated device: a reason to skip its tests, not to fail them."""


def find(program: str) -> str | None:
    """The path of a program, also where only root looks."""
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":" + _ADMIN)


def missing_programs() -> list[str]:
    """Those of the programs that are not installed."""
    return [program for program in PROGRAMS if find(program) is None]


def install_command(programs: Iterable[str]) -> list[str]:
    """The command that installs ``programs`` on Debian."""
    packages = sorted({PROGRAMS[program] for program in programs})
    return ["apt-get", "install", "--yes", "--no-install-recommends", *packages]


def missing_tools() -> str | None:
    """Why this machine cannot build and run the emulated device, in one line; None when it can."""
    for program in ("apt-get", "dpkg-deb"):
        if find(program) is None:
            return f"the emulated device is built from Debian packages, and this machine has no {program}"
    missing = missing_programs()
    if missing:
        command = " ".join(install_command(missing))
        return f"the emulated device needs {', '.join(missing)}; as root: make device-tools, or: {command}"
    if debian_source(host_sources(), SUITE) is None:
        return "the emulated device is built from Debian packages, and none of this machine's sources is Debian's"
    return None


def install() -> list[str]:
    """Install what is missing when root, and return the names of the programs that it was about.

    :raises Unavailable: something is missing, and this user or this machine cannot install it.
    """
    missing = missing_programs()
    if not missing:
        return []
    if os.geteuid() != 0 or find("apt-get") is None:
        raise Unavailable(missing_tools() or "", fix="Then run this again")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "--quiet", "update"], install_command(missing)):
        if subprocess.run(command, env=environment, check=False).returncode != 0:
            raise Unavailable(f"`{' '.join(command)}` failed; what it said stands above")
    left = missing_programs()
    if left:
        raise Unavailable(f"{', '.join(left)} still missing after installing their packages")
    return missing
