"""Directories that appear whole or not at all.

A directory is written beside its place, in ``.NAME.tmp-XXXX``, flushed to disk, and then moved there in one step:
by ``rename`` where nothing stood before, by ``renameat2(RENAME_EXCHANGE)`` where an older directory is replaced. A
process that dies half way leaves the old directory untouched and a staging directory that the next run removes: each
is locked by the process that writes it, and the kernel drops that lock when the process ends, however it ends. Whether
the place is free is decided, and the move made, with the parent directory locked: of two processes without ``--force``
one wins and the other is told.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgeguard.errors import OutputExists, UsageError

__all__ = ["check_free", "scratch_directory", "staged_directory", "sync", "write_file"]

_LOCK = ".lock"
_SCRATCH = "edgeguard-scratch-"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def staged_directory(final: Path, *, replace_existing: bool) -> Iterator[Path]:
    """A fresh directory that becomes ``final`` when the block ends well and vanishes when it does not.

    :param replace_existing: whether a directory that already stands at ``final`` may be replaced.
    :raises OutputExists: it stands there and may not be replaced, or it is no directory.
    :raises UsageError: the parent does not exist or cannot be written, or the disk is full.
    """
    check_free(final, replace_existing=replace_existing)
    with _writing(final), _own_staging(final) as staging:
        content = staging / "content"
        content.mkdir()
        yield content
        _sync_tree(content)
        with _directory_lock(final.parent):
            check_free(final, replace_existing=replace_existing)
            _publish(content, final)


def check_free(final: Path, *, replace_existing: bool) -> None:
    """Refuse early what :func:`staged_directory` would refuse, before minutes of work.

    :raises OutputExists: see there.
    :raises UsageError: see there.
    """
    if not final.parent.is_dir():
        raise UsageError("its parent directory does not exist", where=str(final), fix="Create it or choose another -o")
    if not os.path.lexists(final):
        return
    if final.is_symlink() or not final.is_dir():
        raise OutputExists("it is there already and is no directory", where=str(final), fix="Choose another -o")
    if not replace_existing:
        raise OutputExists(
            "it exists already", where=str(final), fix="Pass --force to replace it, or choose another -o"
        )


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside its place, flushed, then renamed. What dead processes left goes first.

    :raises UsageError: the file cannot be written there.
    """
    with _writing(path):
        with _directory_lock(path.parent):
            _remove_stale(path)
            handle, name = tempfile.mkstemp(prefix=_prefix(path), dir=path.parent)
            fcntl.flock(handle, fcntl.LOCK_EX)
        # The lock goes with the handle, so the file is renamed before it is closed.
        with os.fdopen(handle, "wb") as stream:
            try:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
                os.chmod(name, 0o666 & ~_umask())
                os.replace(name, path)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)
                raise
        sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file or a directory to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory among the system's temporary ones, removed at the end; what dead processes left there goes first.

    Within the block it is where :mod:`tempfile` makes its files: libraries leave theirs behind when they are killed.
    """
    parent = Path(tempfile.gettempdir())
    _remove_stale_scratch(parent)
    scratch, lock = _locked_scratch(parent)
    before = tempfile.tempdir
    tempfile.tempdir = str(scratch)
    try:
        yield scratch
    finally:
        tempfile.tempdir = before
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def _locked_scratch(parent: Path) -> tuple[Path, int]:
    """A new directory, locked itself: everybody writes in ``parent``, so nobody may lock that."""
    while True:
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=parent))
        try:
            lock = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Before it was locked, another process may have taken it for a dead one's.
        if scratch.is_dir():
            return scratch, lock
        os.close(lock)


def _remove_stale_scratch(parent: Path) -> None:
    with os.scandir(parent) as entries:
        names = [entry.path for entry in entries if entry.name.startswith(_SCRATCH)]
    for name in names:
        try:
            lock = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if os.fstat(lock).st_uid == os.getuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(name, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(lock)


def _sync_tree(directory: Path) -> None:
    """Flush every file and directory below ``directory`` to disk, so that a rename cannot overtake their content."""
    for root, _, files in os.walk(directory):
        for name in files:
            sync(Path(root, name))
        sync(Path(root))


@contextlib.contextmanager
def _own_staging(final: Path) -> Iterator[Path]:
    """A locked staging directory beside ``final``, removed at the end; those of dead processes go first."""
    with _directory_lock(final.parent):
        _remove_stale(final)
        staging = Path(tempfile.mkdtemp(prefix=_prefix(final), dir=final.parent))
        lock = os.open(staging / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(lock)


def _prefix(final: Path) -> str:
    return f".{final.name}.tmp-"


def _remove_stale(final: Path) -> None:
    """Remove what no living process holds of what was begun for ``final``. Called with the parent directory locked."""
    for entry in os.listdir(final.parent):
        if entry.startswith(_prefix(final)):
            _remove_if_stale(final.parent / entry)


def _remove_if_stale(staging: Path) -> None:
    try:
        lock = os.open(staging / _LOCK if staging.is_dir() else staging, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if staging.is_dir():
            shutil.rmtree(staging, ignore_errors=True)
        else:
            os.unlink(staging)
    except OSError:
        return
    finally:
        os.close(lock)


@contextlib.contextmanager
def _writing(final: Path) -> Iterator[None]:
    """Say what the system says when it cannot write: no permission, a full disk, a read-only file system."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror or error}", where=str(final), fix="Make room, or choose another -o"
        ) from None


@contextlib.contextmanager
def _directory_lock(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _publish(content: Path, final: Path) -> None:
    """Move ``content`` to ``final`` in one step; what stood there ends up at ``content``."""
    if final.exists():
        _exchange(content, final)
    else:
        os.rename(content, final)
    sync(final.parent)


def _exchange(first: Path, second: Path) -> None:
    """Swap two directories atomically (Linux 3.15, ext4, xfs, btrfs, tmpfs, overlayfs, f2fs).

    :raises UsageError: the file system cannot; the old directory is untouched.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        failure = errno.ENOSYS
    elif renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return
    else:
        failure = ctypes.get_errno()
    raise UsageError(
        f"this file system cannot exchange two directories in one step ({os.strerror(failure)})",
        where=str(second),
        fix="Remove it first, or choose another -o",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
