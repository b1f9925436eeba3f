"""Versions of a directory of files on the device, of which one is current: an artifact, the wheels, the environments.

::

    PLACE/versions/<digest>/            complete, or not there at all
    PLACE/versions/.incoming-...        being written, or left by a dead process: the next one removes it
    PLACE/current  -> versions/...      replaced by one rename, which decides
    PLACE/previous -> versions/...      set before that: once current is new, previous is what was current before
    PLACE/.lock                         held by whoever changes any of this

Whenever a process dies or the power goes, ``current`` names the complete old version or the complete new one: files
are flushed before their directory gets its name, and that before a link points to it. A version that turns out to be
damaged is repaired file by file, for it may be current. What some version here holds already is linked, not sent.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

__all__ = ["Refused", "main", "place", "plan", "prune", "receive", "restore", "status", "switch"]

_VERSIONS = "versions"
_UNFINISHED = ".incoming-"
_DEAD = ".dead-"
_BLOCK = 1 << 16
# Seconds: a sender that was cut off holds the lock no longer than the next one waits for it.
_STALLED = 30
_PATIENCE = 45
# What a file system needs beside the files themselves.
_SPARE = 1 << 20


class Refused(Exception):
    """What was asked for is not done: what is wrong, and what to do about it."""


def main(request: dict[str, Any], payload: BinaryIO) -> dict[str, Any]:
    """Do ``op`` at ``place``, below ``directory``, with ``arguments``; see the functions of these names.

    :param request: these four, and perhaps ``patience``, seconds to wait for the lock.
    """
    root = place(request["directory"], request["place"])
    operation, arguments = request["op"], request.get("arguments", {})
    if operation in _READING:
        return _READING[operation](root, **arguments)
    with _locked(root, float(request.get("patience", _PATIENCE))):
        if operation == "receive":
            return receive(root, payload=payload, **arguments)
        return _CHANGING[operation](root, **arguments)


def place(directory: str, relative: str) -> str:
    """Path of a place.

    :param directory: below the home unless absolute.
    :param relative: plain names with slashes between them.
    """
    for part in relative.split("/"):
        _check_name(part)
    return os.path.join(os.path.expanduser("~"), directory, relative)


def status(root: str) -> dict[str, Any]:
    """What is there: ``current`` and ``previous`` (or null), and all ``versions``."""
    versions = os.path.join(root, _VERSIONS)
    found = sorted(name for name in os.listdir(versions) if name[0] != ".") if os.path.isdir(versions) else []
    return {"current": _linked(root, "current"), "previous": _linked(root, "previous"), "versions": found}


def plan(root: str, version: str, files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What must be sent for a version to be complete.

    :param files: name to ``sha256`` and ``size``, of every file of the version.
    :returns: ``complete``: nothing is to be done; ``missing``: names of files that no version here holds; and
        :func:`status`.
    :raises Refused: a name is no plain one, or there is no room for what is missing.
    """
    for name in (version, *files):
        _check_name(name)
    final = os.path.join(root, _VERSIONS, version)
    complete = os.path.isdir(final) and sorted(os.listdir(final)) == sorted(files)
    complete = complete and all(_is(os.path.join(final, name), facts) for name, facts in files.items())
    missing = [] if complete else [name for name, facts in files.items() if _holder(root, facts) is None]
    _check_room(root, sum(files[name]["size"] for name in missing))
    return dict(status(root), complete=complete, missing=missing)


def receive(
    root: str, version: str, files: dict[str, dict[str, Any]], sent: list[str], payload: BinaryIO
) -> dict[str, Any]:
    """Write a version: the files of ``sent`` come from the payload, in this order, the others are linked.

    The caller holds the lock.

    :raises Refused: a file arrived damaged or short, or one to link has gone.
    """
    for name in (version, *files):
        _check_name(name)
    versions = os.path.join(root, _VERSIONS)
    _make_directories(versions)
    _remove_leftovers(versions)
    _check_room(root, sum(files[name]["size"] for name in sent))
    incoming = os.path.join(versions, f"{_UNFINISHED}{version}-{os.getpid()}")
    os.mkdir(incoming, 0o700)
    try:
        for name in sent:
            _write(os.path.join(incoming, name), files[name], payload)
        for name in set(files) - set(sent):
            _link(root, os.path.join(incoming, name), files[name])
        _sync(incoming)
        _publish(incoming, os.path.join(versions, version))
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return {"bytes": sum(files[name]["size"] for name in sent), "linked": len(files) - len(sent)}


def switch(root: str, version: str, expected: str | None) -> dict[str, Any]:
    """Make a version current, and what was current before the previous one.

    :param expected: what the caller believes is current.
    :raises Refused: something else is, or the version is not there: another deploy came between.
    """
    now = _linked(root, "current")
    if now != expected:
        raise Refused(f"another deploy has switched to {now} meanwhile", "See what is there now, and deploy again")
    if now != version:
        _check_there(root, version)
        if now is not None:
            _point(root, "previous", now)
        _point(root, "current", version)
    return status(root)


def restore(root: str, undone: str, current: str | None, previous: str | None) -> dict[str, Any]:
    """Let both links be as they were before a :func:`switch` to ``undone``, unless another version is current by now.

    :param current: ``None`` means that there was none; likewise ``previous``.
    """
    for version in (current, previous):
        if version is not None:
            _check_there(root, version)
    if _linked(root, "current") == undone:
        _point(root, "current", current)
        _point(root, "previous", previous)
    return status(root)


def prune(root: str) -> dict[str, Any]:
    """Remove every version but the current and the previous one, and what dead processes left."""
    versions = os.path.join(root, _VERSIONS)
    before = status(root)
    for version in set(before["versions"]) - {before["current"], before["previous"]}:
        # Half a version must not keep its name.
        os.rename(os.path.join(versions, version), os.path.join(versions, _DEAD + version))
    _remove_leftovers(versions)
    return status(root)


_READING: dict[str, Callable[..., dict[str, Any]]] = {"status": status, "plan": plan}
_CHANGING: dict[str, Callable[..., dict[str, Any]]] = {"switch": switch, "restore": restore, "prune": prune}


@contextlib.contextmanager
def _locked(root: str, patience: float) -> Iterator[None]:
    _make_directories(root)
    end = time.monotonic() + patience
    with open(os.path.join(root, ".lock"), "a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise Refused("another deploy is at work there", "Wait until it has ended") from None
                time.sleep(0.1)
        yield


def _linked(root: str, name: str) -> str | None:
    """The version that a link names, if it is there."""
    link = os.path.join(root, name)
    return os.path.basename(os.readlink(link)) if os.path.islink(link) and os.path.isdir(link) else None


def _point(root: str, name: str, version: str | None) -> None:
    """Let a link name a version; ``None`` removes it."""
    link, fresh = os.path.join(root, name), os.path.join(root, f".{name}.new")
    for old in (fresh, link) if version is None else (fresh,):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(old)
    if version is not None:
        os.symlink(f"{_VERSIONS}/{version}", fresh)
        os.rename(fresh, link)
    _sync(root)


def _publish(incoming: str, final: str) -> None:
    if not os.path.lexists(final):
        os.rename(incoming, final)
    else:
        names = os.listdir(incoming)
        for entry in list(os.scandir(final)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif entry.name not in names:
                os.unlink(entry.path)
        for name in names:
            os.replace(os.path.join(incoming, name), os.path.join(final, name))
        _sync(final)
    _sync(os.path.dirname(final))


def _write(path: str, facts: dict[str, Any], payload: BinaryIO) -> None:
    name = os.path.basename(path)
    digest = hashlib.sha256()
    left = facts["size"]
    with open(path, "xb") as stream:
        while left:
            # Its default action ends the process, and with it the lock.
            signal.alarm(_STALLED)
            block = payload.read(min(left, _BLOCK))
            signal.alarm(0)
            if not block:
                raise Refused(f"the connection broke while {name} was sent", "Check the network and deploy again")
            digest.update(block)
            stream.write(block)
            left -= len(block)
        stream.flush()
        # Only its owner may read a model: who reads it can cut the defense off.
        os.fchmod(stream.fileno(), 0o400)
        os.fsync(stream.fileno())
    if digest.hexdigest() != facts["sha256"]:
        raise Refused(f"{name} arrived damaged: its digest differs from the manifest's", "Deploy it again")


def _link(root: str, path: str, facts: dict[str, Any]) -> None:
    holder = _holder(root, facts)
    if holder is None:
        raise Refused(f"{os.path.basename(path)} is not there any more", "Deploy it again")
    try:
        os.link(holder, path)
    except OSError:
        # Not every file system has hard links.
        shutil.copyfile(holder, path)
    _sync(path)


def _holder(root: str, facts: dict[str, Any]) -> str | None:
    """A file of any version with this content. It is read: a card forgets, and a name proves nothing."""
    paths = glob.iglob(os.path.join(glob.escape(root), _VERSIONS, "*", "*"))
    return next((path for path in paths if _is(path, facts)), None)


def _is(path: str, facts: dict[str, Any]) -> bool:
    if os.path.islink(path) or not os.path.isfile(path) or os.path.getsize(path) != facts["size"]:
        return False
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
    return bool(digest.hexdigest() == facts["sha256"])


def _check_room(root: str, needed: int) -> None:
    while not os.path.isdir(root):
        root = os.path.dirname(root)
    disk = os.statvfs(root)
    free = disk.f_bavail * disk.f_frsize
    if needed and needed + _SPARE > free:
        what = f"its disk is full: {(needed + _SPARE) / 1e6:.1f} MB are needed and {free / 1e6:.1f} MB free"
        raise Refused(what, "Make room there and deploy again")


def _check_name(name: str) -> None:
    if not name or name[0] == "." or "/" in name or "\\" in name or not name.isprintable():
        raise Refused(f"{name!r} is not a plain name", "Rename it")


def _check_there(root: str, version: str) -> None:
    _check_name(version)
    if not os.path.isdir(os.path.join(root, _VERSIONS, version)):
        raise Refused(f"version {version} is not there any more: another deploy came between", "Deploy it again")


def _make_directories(path: str) -> None:
    # Each is flushed into the one that holds it.
    if not os.path.isdir(path):
        _make_directories(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        _sync(os.path.dirname(path))


def _remove_leftovers(versions: str) -> None:
    for prefix in (_UNFINISHED, _DEAD):
        for path in glob.glob(os.path.join(glob.escape(versions), prefix + "*")):
            shutil.rmtree(path)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
