"""The real command line, as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["assert_clean_failure", "edgeguard"]


def edgeguard(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgeguard.cli", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def assert_clean_failure(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One message with all of ``words`` on stderr, no traceback, this exit code."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    message = done.stderr.strip()
    assert message.startswith("error: ")
    assert "\n" not in message
    for word in words:
        assert word in message
