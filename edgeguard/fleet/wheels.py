"""The wheels of edgeguard's device part, for the Python and the C library of a device that may have no network.

What is installed beside this edgeguard is what it was tested with, so those versions are asked for first.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from edgeguard._version import __version__
from edgeguard.digests import file_digest, json_digest
from edgeguard.errors import DeviceError, UsageError
from edgeguard.fleet.own_wheel import own_wheel
from edgeguard.fleet.reporter import Reporter

__all__ = ["DevicePython", "Wheels", "cache_directory", "fetch_wheels", "wheels_in"]

_OLDEST = (3, 11)
_MACHINES = ("aarch64", "x86_64")
# The first glibc that wheels for arm64 were ever built for is that of 2014.
_FIRST_GLIBC = 17
_NEVER_PINNED = frozenset({"pip", "setuptools", "edgeguard"})
_LATER = "Give the wheels with --wheels, or let the device fetch them with --from-index"


@dataclass(frozen=True, slots=True)
class DevicePython:
    """What wheels must fit.

    :param python: major and minor version.
    :param machine: as ``uname -m`` says.
    :param bits: of its userland, whatever the kernel's.
    :param glibc: ``None`` where it has another C library.
    """

    python: tuple[int, int]
    machine: str
    bits: int
    glibc: tuple[int, int] | None

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> DevicePython:
        """From the answer of the script ``environment``."""
        major, minor = facts["python"]
        libc = facts["glibc"]
        return cls((major, minor), facts["machine"], facts["bits"], None if libc is None else (libc[0], libc[1]))

    def require_wheels(self, name: str) -> None:
        """Refuse a device that there are no wheels for.

        :param name: of the device.
        :raises DeviceError: its Python is too old, or its userland not a 64-bit one with glibc.
        """
        if self.python < _OLDEST:
            raise DeviceError(
                f"its Python is {self.python[0]}.{self.python[1]}, edgeguard needs 3.11 or later",
                where=name,
                fix="Install Raspberry Pi OS Bookworm or later",
            )
        if self.bits != 64 or self.machine not in _MACHINES:
            raise DeviceError(
                f"its userland is {self.bits}-bit on {self.machine}: there is no onnxruntime for that",
                where=name,
                fix="Install the 64-bit Raspberry Pi OS",
            )
        if self.glibc is None:
            raise DeviceError(
                "its C library is not glibc: there is no onnxruntime for that",
                where=name,
                fix="Install Raspberry Pi OS or another Debian",
            )

    def pip_options(self) -> list[str]:
        """What makes pip look for wheels of this device instead of this machine."""
        assert self.glibc is not None
        major, minor = self.python
        tags = [f"manylinux_2_{libc}_{self.machine}" for libc in range(self.glibc[1], _FIRST_GLIBC - 1, -1)]
        platforms = [*tags, f"manylinux2014_{self.machine}", f"linux_{self.machine}"]
        options = ["--only-binary=:all:", "--implementation", "cp", "--python-version", f"{major}.{minor}"]
        for abi in (f"cp{major}{minor}", "abi3", "none"):
            options += ["--abi", abi]
        for platform in platforms:
            options += ["--platform", platform]
        return options


@dataclass(frozen=True, slots=True)
class Wheels:
    """Wheels to carry along.

    :param files: paths, in the order of their names.
    :param complete: whether they hold all that edgeguard needs; otherwise the device's own index gives the rest.
    :param extras: of edgeguard, which are installed with it.
    """

    files: tuple[Path, ...]
    complete: bool
    extras: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of their names and contents, of what is left to the device, and of what is installed: of an environment."""
        content: list[list[Any]] = [[path.name, file_digest(path)] for path in self.files]
        return json_digest([*content, [self.complete], *([list(self.extras)] if self.extras else [])])


def wheels_in(directory: Path, *, extras: tuple[str, ...] = ()) -> Wheels:
    """The wheels of a directory, as they are.

    :param extras: of edgeguard, which are to be installed with it.
    :raises UsageError: there is no such directory, or edgeguard or pip is not among them.
    """
    if not directory.is_dir():
        raise UsageError("there is no such directory of wheels", where=str(directory))
    files = tuple(sorted(directory.glob("*.whl")))
    for name in ("edgeguard", "pip"):
        if not any(path.name.startswith(f"{name}-") for path in files):
            raise UsageError(
                f"holds no wheel of {name}", where=str(directory), fix=f"Fetch it with: pip download {name}"
            )
    return Wheels(files, complete=True, extras=extras)


def fetch_wheels(
    device: DevicePython, *, dependencies: bool, reporter: Reporter, extras: tuple[str, ...] = ()
) -> Wheels:
    """Edgeguard's own wheel, pip's, and those of what edgeguard needs on a device. Kept, so that they are fetched once.

    :param extras: of edgeguard, which are to be installed with it.
    :param dependencies: otherwise the device's own index is to give them.
    :raises UsageError: they cannot be fetched.
    """
    cache = cache_directory() / "wheels"
    own = own_wheel(cache / "edgeguard")
    wanted = ["pip", *(_device_requirements(extras) if dependencies else ())]
    pins = _pins()
    target = cache / f"{device.python[0]}.{device.python[1]}-{device.machine}"
    key = json_digest([wanted, pins, __version__, device.pip_options()])[:16]
    if not (target / key).is_dir():
        reporter.step(f"fetching wheels for Python {device.python[0]}.{device.python[1]} on {device.machine}")
        _download(target / key, device, wanted, pins, reporter)
    files = sorted([own, *(target / key).glob("*.whl")], key=lambda path: path.name)
    return Wheels(tuple(files), complete=dependencies, extras=extras)


def cache_directory() -> Path:
    """Edgeguard's directory below ``XDG_CACHE_HOME``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgeguard"


def _device_requirements(extras: Sequence[str]) -> list[str]:
    """What edgeguard requires without any extra, and with these."""
    found = []
    for line in metadata.requires("edgeguard") or ():
        requirement, _, marker = line.partition(";")
        _, of_an_extra, extra = marker.partition("extra ==")
        if not of_an_extra or extra.strip().strip("\"'") in extras:
            found.append(requirement.strip() if of_an_extra else line)
    return sorted(found)


def _pins() -> list[str]:
    found = {
        re.sub(r"[-_.]+", "-", each.name).lower(): each.version.partition("+")[0] for each in metadata.distributions()
    }
    return [f"{name}=={version}" for name, version in sorted(found.items()) if name not in _NEVER_PINNED]


def _download(final: Path, device: DevicePython, wanted: Sequence[str], pins: list[str], reporter: Reporter) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that a name means that everything is there, whoever else is fetching.
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=final.parent) as scratch:
        fetched, constraints = Path(scratch, "wheels"), Path(scratch, "constraints.txt")
        constraints.write_text("\n".join(pins))
        if _pip_download(fetched, device, [*wanted, "-c", str(constraints)]):
            shutil.rmtree(fetched, ignore_errors=True)
            said = _pip_download(fetched, device, wanted)
            if said:
                raise UsageError(f"pip cannot fetch the wheels for the device: {said}", fix=_LATER)
            for other in _differing(fetched, pins):
                reporter.warn(f"this edgeguard was not tested with {other}, which is what there is for the device")
        try:
            os.rename(fetched, final)
        except OSError:
            if not final.is_dir():
                raise


def _pip_download(directory: Path, device: DevicePython, wanted: Sequence[str]) -> str:
    """Fetch wheels; returns what pip complains of, or nothing."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run(
        [*command, "-d", str(directory), *device.pip_options(), *wanted],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.returncode:
        return ""
    complaints = [line for line in done.stderr.splitlines() if line.strip()]
    return complaints[-1].removeprefix("ERROR: ") if complaints else f"exit code {done.returncode}"


def _differing(directory: Path, pins: Sequence[str]) -> list[str]:
    pinned = dict(pin.split("==") for pin in pins)
    found = (path.name.split("-")[:2] for path in sorted(directory.glob("*.whl")))
    names = ((re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in found)
    return [f"{name} {version}" for name, version in names if pinned.get(name, version) != version]
