"""Scratch directories among the system's temporary ones: gone at the end, or at the next run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edgeguard import staging
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
    (temporary / "elsewhere" / ".lock").touch()
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
    assert (temporary / "elsewhere" / ".lock").exists()


def test_a_directory_without_a_lock_goes_only_when_it_is_old(temporary: Path) -> None:
    for name in ("edgeguard-scratch-young", "edgeguard-scratch-old"):
        (temporary / name).mkdir()
    long_ago = (temporary / "edgeguard-scratch-old").stat().st_mtime - 2 * staging._UNLOCKED_SECONDS
    os.utime(temporary / "edgeguard-scratch-old", (long_ago, long_ago))
    with scratch_directory():
        pass
    assert os.listdir(temporary) == ["edgeguard-scratch-young"]
