"""What a person sees while waiting, and a pipe does not."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from edgeguard.cli.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with Console() as console:
        console.step("calibrating")
        for done in (1, 2, 3):
            console.progress(done, 3)
        console.warn("few images")
        console.progress(1, 2)
    return stream.getvalue()


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert told(io.StringIO(), monkeypatch) == "calibrating\nwarning: few images\n"
    shown = told(Terminal(), monkeypatch)
    assert shown.startswith("calibrating\n")
    assert "3/3" in shown
    assert shown.count("few images") == 1


def test_the_bar_is_gone_when_something_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    console = Console()

    def failing() -> None:
        with console:
            console.progress(1, 3)
            assert console._bar is not None
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        failing()
    assert console._bar is None


def test_a_reader_that_goes_away_is_no_error() -> None:
    """As ``edgeguard targets --json | head -1`` leaves it."""
    command = f"{sys.executable} -m edgeguard.cli targets --json | true; exit ${{PIPESTATUS[0]}}"
    for _ in range(3):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0
        assert done.stderr == ""
