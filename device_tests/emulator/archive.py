"""Fetching arm64 Debian packages with the machine's own apt, in a private state that leaves the machine's alone."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from device_tests.emulator.recipe import SUITE
from device_tests.emulator.sources import debian_source, host_sources
from device_tests.emulator.tools import Unavailable
from edgeguard.errors import DeviceError

__all__ = ["Packages", "fetch", "planned_files"]

_CONFIGURATION = """\
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Debug::NoLocking "true";
Dir::State "{apt}/state";
Dir::State::status "{apt}/state/status";
Dir::Cache "{apt}/cache";
Dir::Etc::sourcelist "{apt}/none.list";
Dir::Etc::sourceparts "{apt}/sources.d";
Dir::Etc::preferencesparts "{apt}/none.d";
Dir::Log "{apt}";
"""
# Inst NAME (VERSION RELEASE... [ARCHITECTURE]) [what it leaves broken so far]; a file's name has %3a for a colon.
_PLANNED = re.compile(r"^Inst (?P<name>[^ :]+)\S* \((?P<version>\S+) .*?\[(?P<architecture>\w+)\]\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Packages:
    """Files ending in ``.deb``: the userland with all it depends on, and the kernel alone."""

    userland: tuple[Path, ...]
    kernel: Path


def fetch(directory: Path, packages: Sequence[str], kernel: str, suite: str = SUITE) -> Packages:
    """Download ``packages`` with their dependencies, and the kernel that the meta-package ``kernel`` names.

    What ``directory`` holds from an earlier call is not fetched again.

    :raises Unavailable: the archive cannot be reached, or this machine knows none.
    :raises DeviceError: the archive does not have what the recipe asks for.
    """
    environment = _private_state(directory, suite)
    if not any((directory / "state/lists").glob("*Packages*")):
        _update(environment)
    try:
        return _download(directory, packages, kernel, environment)
    except DeviceError:
        # The archive has moved on since its index was fetched.
        _update(environment)
        return _download(directory, packages, kernel, environment)


def _private_state(apt: Path, suite: str) -> Mapping[str, str]:
    source = debian_source(host_sources(), suite)
    if source is None:
        raise Unavailable("this machine's apt sources name no Debian archive")
    for folder in ("state/lists/partial", "cache/archives/partial", "sources.d", "kernel"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "state/status").touch()
    (apt / "sources.d/debian.sources").write_text(source.stanza(suite))
    (apt / "apt.conf").write_text(_CONFIGURATION.format(apt=apt))
    # apt reads this file first and then the machine's own settings: proxies keep working.
    return {**os.environ, "APT_CONFIG": str(apt / "apt.conf"), "LC_ALL": "C"}


def _update(environment: Mapping[str, str]) -> None:
    with _translated(Unavailable, "the Debian archive cannot be reached"):
        _run(["apt-get", "-qq", "update"], environment)


def _download(apt: Path, packages: Iterable[str], kernel: str, environment: Mapping[str, str]) -> Packages:
    with _translated(DeviceError, "the Debian archive does not deliver what the emulated device is made of"):
        plan = _run(["apt-get", "-qq", "--simulate", "install", *packages], environment)
        _run(["apt-get", "-qq", "-y", "--download-only", "install", *packages], environment)
        depends = _run(["apt-cache", "depends", kernel], environment)
        image = next(line.split()[-1] for line in depends.splitlines() if "Depends: linux-image" in line)
        download = ["apt-get", "-qq", "download", image]
        _run(download, environment, apt / "kernel")
        # In another directory it is not there yet, so its name is told.
        address = _run([*download, "--print-uris"], environment, apt)
    return Packages(
        tuple(apt / "cache/archives" / name for name in sorted(planned_files(plan))),
        apt / "kernel" / address.split()[1],
    )


def planned_files(plan: str) -> list[str]:
    """Names of the files of what ``apt-get --simulate install`` says it would install.

    Files of older versions may lie beside them, so the directory's listing would not do.
    """
    return [
        f"{found['name']}_{found['version'].replace(':', '%3a')}_{found['architecture']}.deb"
        for found in _PLANNED.finditer(plan)
    ]


def _run(command: Sequence[str], environment: Mapping[str, str], directory: Path | None = None) -> str:
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


@contextlib.contextmanager
def _translated(kind: type[DeviceError], what: str) -> Iterator[None]:
    try:
        yield
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.startswith(("E:", "W:"))] or ["it said nothing"]
        raise kind(f"{what}: {lines[-1]}", where=" ".join(error.cmd[:3])) from error
