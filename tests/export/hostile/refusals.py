"""Exports that must be refused: through the real command line, leaving nothing behind, running nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from edgeguard.errors import EdgeguardError
from edgeguard.export.loading import LoadRequest, load_model
from tests.cli.shell import edgeguard

__all__ = ["accept", "refuse", "refuse_loading"]

# Interpreter, imports and a child process included.
_SECONDS = 20


def refuse(model: Path, *words: str, code: int = 3, options: tuple[str | Path, ...] = ("--defend",)) -> str:
    """Export ``model`` and demand a refusal: this exit code, one message with ``words``, no trace of an output."""
    before = sorted(os.listdir(model.parent))
    began = time.monotonic()
    done = edgeguard("export", model, *options)
    assert time.monotonic() - began < _SECONDS
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    messages = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1, done.stderr
    # Steps and warnings come before it, nothing after it.
    assert done.stderr.splitlines()[-1] == messages[0]
    for word in words:
        assert word in messages[0]
    assert sorted(os.listdir(model.parent)) == before
    return messages[0]


def refuse_loading(model: Path, *words: str, code: int = 3, **options: object) -> str:
    """The same without the command line, for the many variants that torch would take four seconds each for."""
    with pytest.raises(EdgeguardError) as raised:
        load_model(LoadRequest(model, **options))  # type: ignore[arg-type]
    message = str(raised.value)
    assert raised.value.exit_code == code, message
    for word in words:
        assert word in message
    return message


def accept(model: Path, *options: str | Path) -> Path:
    """Export ``model`` with a defense and demand an artifact that verifies."""
    output = model.with_suffix(".edgeguard")
    done = edgeguard("export", model, "--defend", *options)
    assert done.returncode == 0, done.stderr
    verified = edgeguard("verify", output)
    assert verified.returncode == 0, verified.stderr
    return output
