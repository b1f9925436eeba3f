"""Files of a FAT partition inside an image, by mtools: no root, no loop device, no FAT in the kernel.

Only commands that take the file system as ``-i IMAGE@@OFFSET`` are used, with no configuration of the user's: nothing
else than that image is ever opened.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgeguard.errors import DeviceError, RejectedInput, UsageError

__all__ = ["FatFiles"]

_TIMEOUT_S = 600
_FREE = re.compile(r"([\d ]+) bytes free")
_MISSING = UsageError(
    "mtools is not installed",
    fix="Install it (Debian: apt install mtools), or write the image to a card, mount that and use --boot",
)


@dataclass(frozen=True, slots=True)
class FatFiles:
    """The files of one partition.

    :param image: the image, a plain file.
    :param offset: where the partition begins, in bytes.
    :param where: what messages call it.
    """

    image: Path
    offset: int
    where: str

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of this name."""
        return self._run("mdir", "-b", f"::/{name}").returncode == 0

    def names(self, folder: str) -> tuple[str, ...]:
        """Names in a folder, sorted; none where there is no such folder."""
        listed = self._run("mdir", "-b", f"::/{folder}")
        if listed.returncode:
            return ()
        return tuple(sorted(line.rpartition("/")[2] for line in listed.stdout.decode().splitlines() if line))

    def read(self, name: str) -> bytes:
        """A file's bytes.

        :raises DeviceError: it is missing, or the file system is damaged.
        """
        return self._must("mcopy", f"::/{name}", "-").stdout

    def write(self, name: str, data: bytes) -> None:
        """Write a file over an older one; the folder is made where it is missing.

        :raises DeviceError: the partition is full or damaged.
        """
        folder = name.rpartition("/")[0]
        if folder and not self.exists(folder):
            self._must("mmd", f"::/{folder}")
        # From a file: of what comes from a pipe, mcopy writes as much as fits and calls that a success.
        with tempfile.NamedTemporaryFile(prefix="edgeguard-flash-") as source:
            source.write(data)
            source.flush()
            self._must("mcopy", "-o", source.name, f"::/{name}")

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._must("mdel", f"::/{name}")

    def free_bytes(self) -> int:
        """Room that is left.

        :raises RejectedInput: there is no FAT file system.
        """
        listed = self._run("mdir", "::/")
        match = _FREE.search(listed.stdout.decode("ascii", "replace"))
        if match is None:
            raise RejectedInput(f"its boot partition cannot be read{_said(listed)}", where=self.where)
        return int(match[1].replace(" ", ""))

    def _must(self, command: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        done = self._run(command, *arguments)
        if done.returncode:
            full = b"full" in done.stderr.lower()
            what = "the boot partition is full" if full else f"its boot partition is damaged{_said(done)}"
            fix = "Make room there, or take a fresh image" if full else "Download or unpack it again"
            raise DeviceError(what, where=self.where, fix=fix)
        return done

    def _run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "MTOOLSRC": os.devnull,
            # Geometry that real images do not bother with.
            "MTOOLS_SKIP_CHECK": "1",
        }
        call = [command, "-i", f"{self.image}@@{self.offset}", *arguments]
        try:
            return subprocess.run(
                call, stdin=subprocess.DEVNULL, env=environment, capture_output=True, timeout=_TIMEOUT_S
            )
        except FileNotFoundError:
            raise _MISSING from None
        except subprocess.TimeoutExpired:
            raise DeviceError(f"{command} did not end within {_TIMEOUT_S} s", where=self.where) from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return f" (mtools: {lines[-1]})" if lines else ""
