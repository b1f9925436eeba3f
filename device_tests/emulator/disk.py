"""An ext4 disk from a directory, by a user who need not be root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from device_tests.emulator.tools import find
from edgeguard.errors import DeviceError

__all__ = ["make_disk", "ownership"]

# Fixed, so that two builds from equal packages differ in keys only.
_UUID = "6ed9e9a1-5f0c-4c0b-8f3a-0d5a5c0f1d11"


def make_disk(path: Path, root: Path, size: int, owners: Mapping[str, tuple[int, int]]) -> None:
    """Write a sparse disk of ``size`` bytes that holds ``root``; everything on it is root's, but for ``owners``.

    :param owners: user and group of an absolute path on the disk, and of all below it.
    :raises DeviceError: the tools of e2fsprogs failed; names what they said.
    """
    with path.open("wb") as file:
        file.truncate(size)
    options = f"root_owner=0:0,hash_seed={_UUID},lazy_itable_init=1"
    _run([find("mke2fs") or "mke2fs", "-q", "-t", "ext4", "-U", _UUID, "-E", options, "-d", str(root), str(path)], "")
    # mke2fs takes over who owns the files here. Correcting it on the disk needs no rights and no user namespace.
    script = "".join(f"set_inode_field {name} {field} {number}\n" for name, field, number in ownership(root, owners))
    _run([find("debugfs") or "debugfs", "-w", "-f", "-", str(path)], script)


def ownership(root: Path, owners: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, str, int]]:
    """Which paths on the disk need another ``uid`` or ``gid`` than the files below ``root`` have."""
    for path in sorted(root.rglob("*")):
        name = "/" + path.relative_to(root).as_posix()
        wanted = next((ids for top, ids in owners.items() if name == top or name.startswith(f"{top}/")), (0, 0))
        status = path.lstat()
        for field, number, present in (("uid", wanted[0], status.st_uid), ("gid", wanted[1], status.st_gid)):
            if number != present:
                yield f'"{name}"', field, number


def _run(command: list[str], text: str) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=environment)
    # debugfs reports an error and goes on; apart from its banner it says nothing when all is well.
    said = [line for line in done.stderr.splitlines() if not line.startswith("debugfs ")]
    if done.returncode != 0 or said:
        raise DeviceError(f"{Path(command[0]).name} failed: {' '.join(said)[:400]}", where=command[-1])
