"""What libraries say is not heard, and what is said before and after is."""

from __future__ import annotations

import logging
import os
import sys
import warnings

import pytest

from edgeguard.export.quiet import quiet, quiet_below


def chatter() -> None:
    print("printed")
    print("printed", file=sys.stderr)
    warnings.warn("warned", stacklevel=1)
    logging.getLogger("library").error("logged")


def test_what_python_says_is_not_heard(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with quiet():
        chatter()
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    logging.getLogger("library").error("logged")
    assert len(caplog.records) == 1


def test_what_is_written_past_python_is_not_heard(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(2, b"from C++")
    assert capfd.readouterr().err == "from C++"
    print("before")
    with quiet_below():
        chatter()
        os.write(1, b"from C++")
        os.write(2, b"from C++")
    print("after")
    assert capfd.readouterr() == ("before\nafter\n", "")


def test_errors_pass_and_the_streams_come_back(capfd: pytest.CaptureFixture[str]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match="mine"), quiet_below():
        raise ValueError("mine")
    os.write(1, b"heard")
    assert capfd.readouterr().out == "heard"
    assert len(os.listdir("/proc/self/fd")) == before
