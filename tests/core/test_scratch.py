"""Scratch directories among the system's temporary ones: gone at the end, or at the next run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from edgeguard.staging import scratch_directory


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place that the system's temporary directory is for the test and its children."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def killed_holder() -> None:
    """A process that dies inside the block."""
    body = "(d / 'big').touch(); os.kill(os.getpid(), 9)"
    code = f"import os, edgeguard.staging as s\nwith s.scratch_directory() as d: {body}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9


def test_it_is_there_inside_the_block_and_gone_after_it(temporary: Path) -> None:
    with scratch_directory() as scratch:
        (scratch / "file").write_bytes(b"x")
        assert list(scratch.iterdir()) == [scratch / "file"]
        assert temporary in scratch.parents
    assert os.listdir(temporary) == []


def test_it_is_gone_after_an_exception_too(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_directory():
        raise ZeroDivisionError
    assert os.listdir(temporary) == []


def test_what_a_killed_process_left_goes_at_the_next_run(temporary: Path) -> None:
    killed_holder()
    (left,) = os.listdir(temporary)
    with scratch_directory():
        assert left not in os.listdir(temporary)
    assert os.listdir(temporary) == []


def test_what_a_living_process_holds_stays(temporary: Path) -> None:
    with scratch_directory() as first:
        with scratch_directory() as second:
            assert first != second
        assert first.is_dir()


def test_what_others_put_there_stays(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_holder()
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere" / "file").touch()
    (temporary / "edgeguard-scratch-file").touch()
    (temporary / "edgeguard-scratch-link").symlink_to(temporary / "elsewhere")
    before = sorted(os.listdir(temporary))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with scratch_directory():
        pass
    assert sorted(os.listdir(temporary)) == before
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with scratch_directory():
        pass
    assert sorted(os.listdir(temporary)) == ["edgeguard-scratch-file", "edgeguard-scratch-link", "elsewhere"]
    assert (temporary / "elsewhere" / "file").exists()


def test_half_removed_ones_go_too(temporary: Path) -> None:
    (temporary / "edgeguard-scratch-empty").mkdir()
    with scratch_directory():
        pass
    assert os.listdir(temporary) == []


def test_one_that_is_taken_for_a_dead_ones_before_it_is_locked_is_made_again(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    mkdtemp = tempfile.mkdtemp

    def raced(**arguments: Any) -> str:
        made.append(mkdtemp(**arguments))
        if len(made) == 1:
            os.rmdir(made[0])
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", raced)
    with scratch_directory() as scratch:
        assert scratch == Path(made[1])
        assert scratch.is_dir()
    assert os.listdir(temporary) == []


def test_what_libraries_make_within_it_lies_in_it(temporary: Path) -> None:
    with scratch_directory() as scratch:
        assert Path(tempfile.mkdtemp(prefix="library-")).parent == scratch
    assert tempfile.gettempdir() == str(temporary)
    assert os.listdir(temporary) == []
