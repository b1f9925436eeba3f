"""Scripts run on a device and answer; what goes wrong there comes back as one error that says so."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgeguard.errors import DeviceError
from edgeguard.fleet import remote, remote_call
from edgeguard.fleet.local import Local
from edgeguard.fleet.remote_call import call
from edgeguard.fleet.transport import Done

_SCRIPTS = sorted(Path(remote.__file__).parent.glob("[a-z]*.py"))


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list whose only entry is the source that is sent, whatever the script's name."""
    source: list[str] = []
    monkeypatch.setattr(remote_call, "script_source", lambda _: "\n".join(source).encode())
    return source


def test_request_and_payload_arrive_and_the_answer_comes_back(script: list[str], tmp_path: Path) -> None:
    script += ["def main(request, payload):", "    return {'got': request, 'bytes': len(payload.read())}"]
    payload = [b"x" * 1000] * 300
    answer = call(Local(tmp_path), "any", {"a": ["b", 1]}, payload=payload, timeout=30)
    assert answer == {"got": {"a": ["b", 1]}, "bytes": 300_000}


def test_what_a_script_prints_is_no_part_of_its_answer(script: list[str], tmp_path: Path) -> None:
    script += [
        "import os",
        "def main(request, payload):",
        "    print('noise'); os.system('echo more')",
        "    return {}",
    ]
    lines: list[str] = []
    assert call(Local(tmp_path), "any", {}, timeout=30, on_line=lines.append) == {}
    assert sorted(lines) == ["more", "noise"]


def test_it_runs_in_the_home_directory_of_the_device(script: list[str], tmp_path: Path) -> None:
    script += ["import os", "def main(request, payload): return {'home': os.path.expanduser('~'), 'cwd': os.getcwd()}"]
    assert call(Local(tmp_path), "any", {}, timeout=30) == {"home": str(tmp_path), "cwd": str(tmp_path)}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise OSError(28, 'No space left on device', '/x/y')", ("its disk is full", "/x/y", "Make room")),
        ("raise OSError(30, 'Read-only file system', '/x/y')", ("read-only", "SD card")),
        ("raise PermissionError(13, 'Permission denied', '/x')", ("does not let this user write", "--directory")),
        ("raise OSError(40, 'Too many levels', '/x')", ("Too many levels (/x)",)),
        ("raise Refused('no room for it', 'Make some')", ("no room for it. Make some",)),
        ("raise ValueError('odd')", ("ValueError: odd",)),
        ("import os; os._exit(3)", ("broke off in the middle, exit code 3",)),
        ("import os; os.kill(os.getpid(), 9)", ("broke off in the middle",)),
    ],
)
def test_a_failure_there_is_one_error_here(script: list[str], tmp_path: Path, body: str, words: tuple[str]) -> None:
    script += ["class Refused(Exception): pass", f"def main(request, payload):\n    {body}"]
    with pytest.raises(DeviceError) as caught:
        call(Local(tmp_path), "any", {}, timeout=30)
    assert caught.value.exit_code == 6
    for word in ("this machine: ", *words):
        assert word in str(caught.value)


def test_a_device_that_does_not_answer_in_time_is_given_up(script: list[str], tmp_path: Path) -> None:
    script += ["import time", "def main(request, payload): time.sleep(60)"]
    with pytest.raises(DeviceError, match="did not answer within 1 seconds"):
        call(Local(tmp_path), "any", {}, timeout=1)


class _WithoutPython(Local):
    def run(self, command: Sequence[str], **more: Any) -> Done:
        return super().run(["sh", "-c", "nopython3"], **more)


def test_a_device_without_python_is_told(script: list[str], tmp_path: Path) -> None:
    script.append("")
    with pytest.raises(DeviceError, match="there is no python3 on it"):
        call(_WithoutPython(tmp_path), "any", {}, timeout=30)


@pytest.mark.parametrize("path", _SCRIPTS, ids=lambda path: path.stem)
def test_scripts_need_nothing_but_an_old_python(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    siblings = {script.stem for script in _SCRIPTS}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names | siblings
