"""Run the Python of edgeguard's environment on the device among files sent along, and leave nothing of them behind.

The files go to a directory of their own below ``work/``. It is removed when the command ends, when the host goes away
(its end of stdin closes) and, after a power cut, by the next call: a directory that nobody holds locked is a dead
one's.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from typing import Any, BinaryIO


class Refused(Exception):
    """It will not do that: what is wrong, and how to fix it."""


def main(request: dict[str, Any], payload: BinaryIO) -> dict[str, Any]:
    """Unpack, run, clean up.

    :param request: ``directory`` (edgeguard's on the device), ``files`` (``path`` of at most one folder and a name,
        ``size``, ``sha256``; their bytes follow on ``payload``), ``arguments`` (Python's).
    :return: ``code`` and ``stdout`` of the command.
    """
    home = os.path.join(os.path.expanduser("~"), request["directory"])
    python = os.path.join(home, "env", "current", "bin", "python")
    if not os.path.exists(python):
        raise Refused("edgeguard is not installed on it", "Deploy an artifact first: edgeguard deploy ARTIFACT HOST")
    parent = os.path.join(home, "work")
    os.makedirs(parent, exist_ok=True)
    remove_dead(parent)
    place = tempfile.mkdtemp(dir=parent)
    lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    # Programs lock the directory that they write to, so the files lie in one of their own.
    files = os.path.join(place, "files")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.mkdir(files)
        receive(files, request["files"], payload)
        return run(python, request["arguments"], files, payload)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def remove_dead(parent: str) -> None:
    """Remove the directories of calls that ended without doing so."""
    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass  # somebody works there
        finally:
            os.close(lock)


def receive(place: str, files: list[dict[str, Any]], payload: BinaryIO) -> None:
    """Write the files, and check each one's digest."""
    for entry in files:
        parts = entry["path"].split("/")
        if len(parts) > 2 or any(part in ("", ".", "..") for part in parts):
            raise Refused(f"{entry['path']!r} is no path that it writes to", None)
        path = os.path.join(place, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        digest = hashlib.sha256()
        left = entry["size"]
        with open(path, "wb") as stream:
            while left:
                chunk = payload.read(min(left, 1 << 20))
                if not chunk:
                    raise Refused("the connection broke while files were sent", "Try again")
                digest.update(chunk)
                stream.write(chunk)
                left -= len(chunk)
        if digest.hexdigest() != entry["sha256"]:
            raise Refused(f"{entry['path']} arrived damaged", "Try again")


def run(python: str, arguments: list[str], place: str, payload: BinaryIO) -> dict[str, Any]:
    """Run Python in ``place``; its stderr is ours. It ends when the host does."""
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", TMPDIR=place)
    # A file, not a pipe: nobody reads while the watch below waits.
    with tempfile.TemporaryFile(dir=place) as stdout:
        process = subprocess.Popen(
            [python, *arguments],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            start_new_session=True,
        )
        threading.Thread(target=end_with_host, args=(process, payload), daemon=True).start()
        try:
            code = process.wait()
        finally:
            end(process)
        stdout.seek(0)
        return {"code": code, "stdout": stdout.read().decode("utf-8", "replace")}


def end_with_host(process: subprocess.Popen[bytes], payload: BinaryIO) -> None:
    """Wait until the host's end of stdin closes, which it does when the command has ended, or when the host is gone."""
    while payload.read(1):
        pass
    end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
