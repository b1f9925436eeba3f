"""Files go to a device, a command runs among them, and nothing of it stays: however it ends."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeguard.errors import DeviceError
from edgeguard.fleet.local import Local
from edgeguard.fleet.remote_call import call
from edgeguard.fleet.workspace import run_in_workspace

# A stand-in for the device's edgeguard: says where it is and what lies there.
_PYTHON = f"""#!{sys.executable}
import json, os, sys, time
found = sorted(os.path.join(root, name) for root, _, names in os.walk(".") for name in names)
print(json.dumps(dict(arguments=sys.argv[1:], files=found, here=os.getcwd(), tmp=os.environ["TMPDIR"])), flush=True)
print("measuring", file=sys.stderr, flush=True)
open("../../../started", "w").write(str(os.getpid()))
import fcntl
fcntl.flock(os.open(".", os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)  # as edgeguard does where it writes
if "sleep" in sys.argv:
    time.sleep(60)
sys.exit(5 if "fail" in sys.argv else 0)
"""


@pytest.fixture
def device(tmp_path: Path) -> Path:
    python = tmp_path / "edgeguard/env/current/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(_PYTHON)
    python.chmod(0o755)
    return tmp_path


def _request(files: dict[str, bytes], *command: str) -> dict[str, Any]:
    entries = [
        {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    ]
    return {"directory": "edgeguard", "files": entries, "arguments": list(command)}


def _work(device: Path) -> list[Path]:
    return list((device / "edgeguard/work").iterdir())


def test_the_command_finds_its_files_and_nothing_of_them_stays(device: Path) -> None:
    files = {"m.edgeguard/model.onnx": b"x" * 100_000, "m.lab/float.onnx": b"", "top": b"t"}
    lines: list[str] = []
    ran = run_in_workspace(Local(device), "edgeguard", files, ["bench", "x"], timeout=30, on_line=lines.append)
    said = json.loads(ran.stdout)
    assert ran.code == 0
    assert said["files"] == ["./m.edgeguard/model.onnx", "./m.lab/float.onnx", "./top"]
    assert said["arguments"] == ["bench", "x"]
    assert said["tmp"] == said["here"]
    assert lines == ["measuring"]
    assert not _work(device)


def test_the_exit_code_comes_back(device: Path) -> None:
    assert run_in_workspace(Local(device), "edgeguard", {}, ["fail"], timeout=30).code == 5
    assert not _work(device)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/b/c", "a/../x", "./x", "", "a/"])
def test_it_writes_nowhere_else(device: Path, path: str) -> None:
    with pytest.raises(DeviceError, match="is no path that it writes to"):
        call(Local(device), "workspace", _request({path: b"x"}), payload=[b"x"], timeout=30)
    assert not _work(device)


def test_a_file_that_changed_on_the_way_is_refused(device: Path) -> None:
    with pytest.raises(DeviceError, match="a arrived damaged"):
        call(Local(device), "workspace", _request({"a": b"good"}), payload=[b"evil"], timeout=30)
    assert not _work(device)


def test_a_file_that_is_cut_off_is_refused(device: Path) -> None:
    with pytest.raises(DeviceError, match="the connection broke"):
        call(Local(device), "workspace", _request({"a": b"good"}), payload=[b"go"], timeout=30)
    assert not _work(device)


def test_a_device_without_edgeguard_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="edgeguard is not installed on it"):
        call(Local(tmp_path), "workspace", _request({}), timeout=30)


def test_the_command_ends_when_the_host_goes(device: Path) -> None:
    gone = threading.Event()

    def until_gone() -> Iterator[bytes]:
        gone.wait()
        yield from ()

    started = device / "edgeguard/started"
    result: list[Any] = []
    caller = threading.Thread(
        target=lambda: result.append(
            call(Local(device), "workspace", _request({}, "sleep"), payload=until_gone(), timeout=50)
        )
    )
    caller.start()
    _wait(lambda: started.exists() and bool(started.read_text()))
    gone.set()
    caller.join(20)
    assert not caller.is_alive()
    assert result[0]["code"] == -signal.SIGKILL
    assert not _work(device)


def test_what_a_killed_call_left_goes_with_the_next_one(device: Path) -> None:
    source = Path(sys.modules["edgeguard.fleet.remote_call"].__file__ or "").parent / "remote/workspace.py"
    program = f"import sys, json\nexec(open({str(source)!r}).read())\nmain(json.loads(sys.argv[1]), sys.stdin.buffer)"
    started = device / "edgeguard/started"
    process = subprocess.Popen(
        [sys.executable, "-c", program, json.dumps(_request({}, "sleep"))],
        stdin=subprocess.PIPE,
        env={**os.environ, "HOME": str(device)},
    )
    _wait(lambda: started.exists() and bool(started.read_text()))
    process.kill()
    process.wait()
    os.kill(int(started.read_text()), signal.SIGKILL)
    assert len(_work(device)) == 1
    run_in_workspace(Local(device), "edgeguard", {}, [], timeout=30)
    assert not _work(device)


def _wait(condition: Any) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
