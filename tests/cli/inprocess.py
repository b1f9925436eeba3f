"""The command line in this process: the same entry point, without a second's start each time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edgeguard.cli.main import main

__all__ = ["Done", "Here"]


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    def failed(self, code: int, *words: str) -> None:
        """One message with all of ``words``, this exit code, and nothing on stdout."""
        assert self.code == code, self.err
        assert self.out == ""
        assert "should not" not in self.err
        message = self.err.strip().splitlines()[-1]
        assert message.lower().startswith("error: ")
        for word in words:
            assert word in message


class Here:
    """Calls ``edgeguard`` as a user would; ``str(path)`` is up to the caller no more than in a shell."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Done:
        self._capsys.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as done:
            code = int(done.code or 0)
        captured = self._capsys.readouterr()
        return Done(code, captured.out, captured.err)
