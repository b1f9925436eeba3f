"""Fixtures of the fleet's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fleet import fake_ssh


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory of a device that the stand-in for ssh reaches: this machine."""
    place = tmp_path / "device"
    place.mkdir()
    monkeypatch.setenv("PATH", f"{fake_ssh.install(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(fake_ssh.HOME, str(place))
    return place
