"""Virtual environments for the device part of edgeguard, built beside the running one, which is never changed.

::

    env/versions/<digest>/              of the wheels' digest and the device's Python; whole once .complete is there
    env/current -> versions/<digest>    :mod:`store` moves it

A virtual environment does not bear being moved, so it is built in its place, and the mark is written last.
"""

from __future__ import annotations

import ctypes
import fcntl
import glob
import hashlib
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import time
from typing import Any, BinaryIO

__all__ = ["Refused", "build", "facts", "formats", "identifier", "main", "usable", "users"]

_COMPLETE = ".complete"
_CHECK = "import numpy, onnxruntime, edgeguard.cli.main"
# Of an extra: what it is called, what imports it, and what it takes beside the rest.
_EXTRAS = {"litert": ("ai-edge-litert", "import ai_edge_litert.interpreter", 90 << 20)}
_ILLEGAL = -4
# Seconds: another build may be at work, and ends by itself.
_PATIENCE = 600
# What an environment of numpy, onnxruntime and the rest takes.
_SPARE = 250 << 20
_AGAIN = "Deploy it again"


class Refused(Exception):
    """What was asked for is not done: what is wrong, and what to do about it."""


def main(request: dict[str, Any], payload: BinaryIO) -> dict[str, Any]:  # noqa: ARG001  (every script's signature)
    """Do ``op``: ``facts``, among them the ``formats`` in use; ``status`` of the environment that ``wheels`` make; or
    ``build`` it, see :func:`build`.

    :param request: paths in it are below ``directory``, which is below the home unless absolute.
    """
    root = os.path.join(os.path.expanduser("~"), request["directory"])
    if request["op"] == "facts":
        return {**facts(), "formats": formats(root)}
    if request["op"] == "status":
        identity = identifier(request["wheels"])
        return {"identifier": identity, "usable": usable(root, identity), "users": users(root)}
    wheels = os.path.join(root, request["wheels_path"])
    return build(root, request["wheels"], wheels, request["requirements"], request["index"])


def facts() -> dict[str, Any]:
    """What decides which wheels fit: version of Python, machine, bits of the userland, and glibc (null if another)."""
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ") if _has_glibc() else ("", "", "")
    return {
        "python": list(sys.version_info[:2]),
        "machine": platform.machine(),
        "bits": struct.calcsize("P") * 8,
        "glibc": [int(part) for part in version.split(".")[:2]] if name == "glibc" else None,
    }


def identifier(wheels: str) -> str:
    """Name of the environment that these wheels make with this Python.

    :param wheels: digest of the wheels.
    """
    text = f"{wheels} {sys.version_info[0]}.{sys.version_info[1]} {platform.machine()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def usable(root: str, identity: str) -> bool:
    """Whether the environment is complete and its Python still starts."""
    folder = _folder(root, identity)
    if not os.path.isfile(os.path.join(folder, _COMPLETE)):
        return False
    try:
        return subprocess.run([_python(folder), "-I", "-c", ""], timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def users(root: str) -> list[str]:
    """Names of the artifacts that are in use, and are to go on working in another environment."""
    return sorted(
        os.path.basename(os.path.dirname(link))
        for link in glob.glob(os.path.join(glob.escape(root), "artifacts", "*", "current"))
    )


def formats(root: str) -> list[str]:
    """Formats of the models that are in use; what cannot be read will not verify either, whatever is installed."""
    found = set()
    for name in users(root):
        try:
            with open(os.path.join(root, "artifacts", name, "current", "manifest.json"), "rb") as stream:
                found.add(str(json.load(stream)["model"]["format"]))
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return sorted(found)


def build(root: str, wheels: str, wheels_path: str, requirements: list[str], index: bool) -> dict[str, Any]:
    """Build the environment, unless it is there already.

    :param root: edgeguard's directory.
    :param wheels: digest of the wheels.
    :param wheels_path: a directory with them, pip's among them.
    :param requirements: what to install of them.
    :param index: whether to install all of them, and what they need from this machine's own package index.
    :returns: ``identifier``, and whether it was ``built``.
    :raises Refused: it cannot be built, or what it holds cannot be imported.
    """
    identity = identifier(wheels)
    folder = _folder(root, identity)
    os.makedirs(os.path.dirname(folder), 0o700, exist_ok=True)
    with open(os.path.join(root, "env", ".build"), "a") as lock:
        _wait_for(lock)
        if usable(root, identity):
            return {"identifier": identity, "built": False}
        extras = _extras(requirements)
        _check_room(root, _SPARE + sum(_EXTRAS[extra][2] for extra in extras))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _install(folder, wheels_path, requirements, index)
            _try(folder, "onnxruntime", _CHECK)
            for extra in extras:
                _try(folder, *_EXTRAS[extra][:2])
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _mark(folder)
    return {"identifier": identity, "built": True}


def _has_glibc() -> bool:
    return "CS_GNU_LIBC_VERSION" in os.confstr_names and not glob.glob("/lib/ld-musl-*")


def _folder(root: str, identity: str) -> str:
    return os.path.join(root, "env", "versions", identity)


def _python(folder: str) -> str:
    return os.path.join(folder, "bin", "python")


def _wait_for(lock: Any) -> None:
    end = time.monotonic() + _PATIENCE
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise Refused("another deploy builds an environment there", "Wait until it has ended") from None
        if not told:
            _say("another deploy builds an environment there; waiting")
            told = True
        time.sleep(0.2)


def _extras(requirements: list[str]) -> list[str]:
    """The extras among the requirements that something is known of."""
    named = [extra for text in requirements for extra in text.partition("[")[2].partition("]")[0].split(",")]
    return [extra for extra in named if extra in _EXTRAS]


def _by_path(wheels_path: str, requirements: list[str]) -> list[str]:
    """The wheels, each with the extras that are required of it."""
    extras = {name: inside for name, bracket, inside in (text.partition("[") for text in requirements) if bracket}
    found = []
    for path in sorted(glob.glob(os.path.join(glob.escape(wheels_path), "*.whl"))):
        inside = extras.get(os.path.basename(path).partition("-")[0])
        found.append(path if inside is None else f"{path}[{inside.partition(']')[0]}]")
    return found


def _check_room(root: str, spare: int) -> None:
    disk = os.statvfs(root)
    free = disk.f_bavail * disk.f_frsize
    if free < spare:
        what = f"its disk is full: an environment takes about {spare / 1e6:.0f} MB and {free / 1e6:.1f} MB are free"
        raise Refused(what, "Make room there and deploy again")


def _install(folder: str, wheels_path: str, requirements: list[str], index: bool) -> None:
    pip = sorted(glob.glob(os.path.join(glob.escape(wheels_path), "pip-*.whl")))
    if not pip:
        raise Refused("there is no pip among the wheels", "Add pip's wheel to them")
    _say("making a virtual environment")
    code, said = _run([sys.executable, "-m", "venv", "--without-pip", folder], {})
    if code:
        raise Refused(f"python3 -m venv fails: {said}", "Install it there: sudo apt install python3-venv")
    offline: list[str] = []
    environment = {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if not index:
        # Neither pip's configuration, in which Pi OS names an index, nor its variables have a say.
        offline = ["--isolated", "--no-index"]
        environment["PIP_CONFIG_FILE"] = os.devnull
    _say("installing " + ", ".join(requirements))
    if index:
        # By path: an index may have another package of the same name and version.
        requirements = _by_path(wheels_path, requirements)
    options = ["--find-links", wheels_path, "--only-binary", ":all:", "--no-compile", "--no-cache-dir", "--no-input"]
    command = [_python(folder), os.path.join(pip[-1], "pip"), "install", "--quiet", *offline, *options]
    code, said = _run([*command, *requirements], environment)
    if code:
        raise Refused(f"pip cannot install edgeguard there: {said}", "Check the wheels, or the device's package index")


def _try(folder: str, engine: str, check: str) -> None:
    """Import what an artifact needs, in a process of its own: a CPU that lacks an instruction kills it."""
    _say(f"trying {engine}")
    code, said = _run([_python(folder), "-P", "-c", check], {"OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"})
    if code == _ILLEGAL:
        raise Refused(f"{engine} uses instructions that this CPU lacks (SIGILL)", "Run edgeguard doctor")
    if code:
        raise Refused(f"what was installed cannot be imported: {said}", "Run edgeguard doctor")


def _mark(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    # Thousands of files in many directories, none of them flushed yet; what other disks hold is not ours to wait for.
    if ctypes.CDLL(None).syncfs(handle):
        os.sync()
    with open(os.path.join(folder, _COMPLETE), "w") as stream:
        os.fsync(stream.fileno())
    os.fsync(handle)
    os.close(handle)


def _run(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a command, and pass on what it says as it comes.

    :returns: its exit code (negative: the signal) and its last line.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    clean.update(environment, PYTHONUNBUFFERED="1")
    last = ""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=clean
    ) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").strip()
            if line:
                last = line
                _say(line)
    return process.returncode, last


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
