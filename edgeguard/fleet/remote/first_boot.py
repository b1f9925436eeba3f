"""Installs what a card was flashed with, at the device's first boot, as its user; a systemd service calls it each boot.

The bundle on the boot partition is checked against the digest that came with this script; its artifact and wheels go
where ``deploy`` would put them, by the same scripts, and the artifact becomes current only after this device has
answered its goldens. How it went is in ``first-boot.json``: once ``installed``, nothing is done any more, else the next
boot tries again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

__all__ = ["Refused", "main"]

_OUTCOME = "first-boot.json"
_SCRATCH = ".first-boot-"
_BLOCK = 1 << 20
_VERIFY_S = 900
_AGAIN = "Flash the card again"


class Refused(Exception):
    """It cannot be installed: what is wrong, and what to do about it."""


def main(request: dict[str, Any], _payload: BinaryIO) -> dict[str, Any]:
    """Install the bundle unless it is installed, and write the outcome.

    :param request: ``bundle`` (path), ``sha256``, ``name`` of the artifact, ``directory`` (of edgeguard, below the
        home).
    :return: what ``first-boot.json`` holds: ``state`` (``installed`` or ``failed``), ``bundle``, ``artifact``,
        ``attempts``, ``seconds``; and ``version``, ``environment`` and the checks that ``verified`` it, or ``what`` is
        wrong and a ``fix``.
    """
    home = os.path.join(os.path.expanduser("~"), request["directory"])
    before = _outcome(home)
    if before.get("bundle") == request["sha256"]:
        if before.get("state") == "installed":
            return before
    else:
        before = {}
    started = time.monotonic()
    outcome = {
        "state": "failed",
        "bundle": request["sha256"],
        "artifact": request["name"],
        "attempts": int(before.get("attempts", 0)) + 1,
    }
    try:
        outcome.update(_install(request, home), state="installed")
    except Exception as error:
        # Whatever it is, the one who logs in must find it said.
        outcome.update(_told(error))
    outcome["seconds"] = round(time.monotonic() - started, 1)
    os.makedirs(home, mode=0o700, exist_ok=True)
    _write_outcome(home, outcome)
    return outcome


def _install(request: dict[str, Any], home: str) -> dict[str, Any]:
    _say(f"checking {request['bundle']}")
    _check_bundle(request["bundle"], request["sha256"])
    os.makedirs(home, mode=0o700, exist_ok=True)
    with _scratch(home) as scratch, tarfile.open(request["bundle"], "r:") as tar:
        store = _script(tar, scratch, "store")
        environment = _script(tar, scratch, "environment")
        contents = json.loads(_member(tar, "contents.json").read().decode())
        return _Installation(request["directory"], home, tar, contents, store, environment).run()


class _Installation:
    """What ``deploy`` does, with the bundle in the place of the host."""

    def __init__(
        self, directory: str, home: str, tar: tarfile.TarFile, contents: dict[str, Any], store: Any, environment: Any
    ) -> None:
        self.directory = directory
        self.home = home
        self.tar = tar
        self.contents = contents
        self.store = store
        self.environment = environment

    def run(self) -> dict[str, Any]:
        """Install, verify, and only then switch."""
        wheels, artifact = self.contents["wheels"], self.contents["artifact"]
        place = f"artifacts/{artifact['name']}"
        _say("unpacking the wheels")
        self.bring("wheels", "wheels", wheels)
        build = {
            "op": "build",
            "directory": self.directory,
            "wheels": wheels["digest"],
            "wheels_path": f"wheels/versions/{wheels['version']}",
            "requirements": wheels["requirements"],
            "index": wheels["index"],
        }
        identifier = self.environment.main(build, io.BytesIO())["identifier"]
        _say("unpacking the artifact")
        self.bring("artifact", place, artifact)
        _say("verifying it")
        verified = self.verify(identifier, os.path.join(place, "versions", artifact["version"]))
        for other in self.environment.users(self.home):
            if other != artifact["name"]:
                self.verify(identifier, os.path.join("artifacts", other, "current"))
        for where, version in (("env", identifier), (place, artifact["version"]), ("wheels", wheels["version"])):
            current = self.do("status", where, {})["current"]
            self.do("switch", where, {"version": version, "expected": current})
            self.do("prune", where, {})
        return {"version": artifact["version"], "environment": identifier, "verified": verified}

    def bring(self, folder: str, place: str, part: dict[str, Any]) -> None:
        """Make a version complete, out of the bundle."""
        wanted = {"version": part["version"], "files": part["files"]}
        plan = self.do("plan", place, wanted)
        if not plan["complete"]:
            payload = _Members(self.tar, [f"{folder}/{name}" for name in plan["missing"]])
            self.do("receive", place, dict(wanted, sent=plan["missing"]), payload)

    def do(self, operation: str, place: str, arguments: dict[str, Any], payload: Any = None) -> dict[str, Any]:
        """An operation of the store."""
        request = {"op": operation, "directory": self.directory, "place": place, "arguments": arguments}
        answer: dict[str, Any] = self.store.main(request, payload or io.BytesIO())
        return answer

    def verify(self, identifier: str, artifact: str) -> list[dict[str, Any]]:
        """The checks of ``edgeguard verify``, which answers the goldens on this device."""
        python = os.path.join(self.home, "env", "versions", identifier, "bin", "python")
        command = [python, "-P", "-m", "edgeguard.cli", "verify", os.path.join(self.home, artifact), "--json"]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(clean, OPENBLAS_NUM_THREADS="1"),
            timeout=_VERIFY_S,
        )
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
            raise Refused(f"{artifact} does not verify on this device: {lines[-1]}", "Export it for this device")
        checks: list[dict[str, Any]] = json.loads(done.stdout.decode())["checks"]
        return checks


class _Members:
    """Members of a tar, one after the other, as one stream of bytes."""

    def __init__(self, tar: tarfile.TarFile, names: list[str]) -> None:
        self._left = [lambda name=name: _member(tar, name) for name in names]
        self._stream: Any = io.BytesIO()

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        while True:
            block: bytes = self._stream.read(size)
            if block or not self._left:
                return block
            self._stream = self._left.pop(0)()


def _check_bundle(path: str, expected: str) -> None:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            for block in iter(lambda: stream.read(_BLOCK), b""):
                digest.update(block)
    except FileNotFoundError:
        raise Refused(f"the bundle is not on the boot partition: {path}", _AGAIN) from None
    if digest.hexdigest() != expected:
        raise Refused("the bundle on the boot partition is damaged: its digest is another", _AGAIN)


@contextlib.contextmanager
def _scratch(home: str) -> Iterator[str]:
    """A directory on the disk, not in memory as /tmp may be; what a boot that was cut off left goes first."""
    for name in os.listdir(home):
        if name.startswith(_SCRATCH):
            shutil.rmtree(os.path.join(home, name), ignore_errors=True)
    path = tempfile.mkdtemp(prefix=_SCRATCH, dir=home)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _script(tar: tarfile.TarFile, scratch: str, name: str) -> Any:
    """A script of the bundle, imported."""
    with open(os.path.join(scratch, name + ".py"), "wb") as stream:
        stream.write(_member(tar, f"remote/{name}.py").read())
    if scratch not in sys.path:
        sys.path.insert(0, scratch)
    return importlib.import_module(name)


def _member(tar: tarfile.TarFile, name: str) -> Any:
    try:
        found = tar.extractfile(name)
    except KeyError:
        found = None
    if found is None:
        raise Refused(f"the bundle holds no {name}", _AGAIN)
    return found


def _outcome(home: str) -> dict[str, Any]:
    """What an earlier boot wrote; a file that the power cut short counts as none."""
    try:
        with open(os.path.join(home, _OUTCOME), "rb") as stream:
            found = json.loads(stream.read().decode())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_outcome(home: str, outcome: dict[str, Any]) -> None:
    final = os.path.join(home, _OUTCOME)
    with open(final + ".new", "w") as stream:
        json.dump(outcome, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(final + ".new", final)


def _told(error: Exception) -> dict[str, Any]:
    # The sibling scripts have classes of their own of this name.
    if type(error).__name__ == "Refused":
        return {"what": str(error.args[0]), "fix": error.args[1] if len(error.args) > 1 else None}
    return {"what": f"{type(error).__name__}: {error}", "fix": "It tries again at the next boot"}


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _run(arguments: list[str]) -> int:
    """Called by the service: the request's file in, the outcome to the journal, the exit code for systemd."""
    with open(arguments[0], "rb") as stream:
        request = json.loads(stream.read().decode())
    outcome = main(request, sys.stdin.buffer)
    _say(json.dumps(outcome))
    return 0 if outcome["state"] == "installed" else 1


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1:]))
