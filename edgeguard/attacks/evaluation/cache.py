"""What costs time and does not change, on disk, known by what it was made from. Several processes may share it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeguard.staging import sync

__all__ = ["Store"]


@dataclass(frozen=True, slots=True)
class Store:
    """Entries below a root: ``root/KIND/KEY``, each a file or a directory.

    An entry is written beside its place and renamed, so that one that is there is whole; whoever dies half way leaves
    nothing but what the next one removes. Its lock makes a second process wait for the first instead of doing the same.
    """

    root: Path

    def entry(self, kind: str, key: str, make: Callable[[Path], None]) -> Path:
        """Where an entry is; made first if it is not there.

        :param key: hex digest of everything it is made from.
        :param make: writes it to the path that it is given, which is free and not the final one.
        """
        final = self.root / kind / key
        if final.exists():
            return final
        final.parent.mkdir(parents=True, exist_ok=True)
        with _locked(final.with_name(f".{key}.lock")):
            if not final.exists():
                begun = final.with_name(f".{key}.begun")
                _remove(begun)
                make(begun)
                for path in [*begun.rglob("*"), begun]:
                    sync(path)
                os.rename(begun, final)
                sync(final.parent)
        return final


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among all processes. The kernel takes the lock from a process that dies."""
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Whoever had it before removed the file: others may hold the lock on a new one.
            if not _same(handle, path):
                continue
            yield
            path.unlink()
            return
        finally:
            os.close(handle)


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
