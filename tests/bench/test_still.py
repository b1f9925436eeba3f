"""The process that counts: started alike each time, unlike those that take times."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeguard.bench import processes, still
from edgeguard.bench.messages import ColdRequest, CountRequest, Subject
from edgeguard.bench.processes import ask_worker
from edgeguard.errors import EdgeguardError

SUBJECT = Subject("a", "model.onnx", "session", "inputs.npy")

# A process that says where its stack and its heap lie, and how it hashes.
TELL = (
    "import re; from pathlib import Path; text = Path('/proc/self/maps').read_text();"
    "print(*re.findall(r'^(\\S+) .*\\[(?:stack|heap)\\]$', text, re.MULTILINE), hash('x'))"
)


def tell() -> str:
    """What a process says that :func:`still.main` turned into, instead of into a worker."""
    code = (
        "import os, sys; from edgeguard.bench import still; become = os.execve;"
        f"os.execve = lambda path, _, environment: become(path, [path, '-c', {TELL!r}], environment); still.main()"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_addresses_and_hashes_repeat() -> None:
    here = ctypes.CDLL(None)
    if here.personality(ctypes.c_ulong(here.personality(ctypes.c_ulong(0xFFFFFFFF)))) == -1:
        pytest.skip("a sandbox forbids personality(2)")
    plain = {subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True).stdout for _ in range(3)}
    assert len(plain) == 3, "this machine does not randomise addresses or hashes in the first place"
    found = {tell() for _ in range(3)}
    assert len(found) == 1
    assert len(found.pop().split()) == 3


def test_without_permission_the_worker_starts_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidden:
        """A C library whose every call is refused."""

        def __init__(self, _: None) -> None:
            pass

        def personality(self, _: Any) -> int:
            return -1

    started: list[list[str]] = []
    monkeypatch.setattr(still.ctypes, "CDLL", Forbidden)
    monkeypatch.setattr(still.os, "execve", lambda path, arguments, _: started.append([path, *arguments]))
    still.main()
    assert started == [[sys.executable, sys.executable, "-P", "-m", "edgeguard.bench.worker"]]


@pytest.mark.parametrize(
    ("request_", "module"),
    [
        (CountRequest((SUBJECT,), (("a",),), ("instructions",), 1, 1), "edgeguard.bench.still"),
        (ColdRequest(SUBJECT, 1, 1.0, 1, True), "edgeguard.bench.worker"),
    ],
)
def test_only_counting_is_started_so(
    request_: Any, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "python"
    script.write_text('#!/bin/sh\necho "$*" >&2\nexit 3\n')
    script.chmod(0o755)
    monkeypatch.setattr(processes.sys, "executable", str(script))
    with pytest.raises(EdgeguardError, match=rf"-P -m {module}$"):
        ask_worker(request_, timeout=60)
