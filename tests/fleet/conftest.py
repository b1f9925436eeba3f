"""Fixtures of the fleet's tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeguard.fleet import deploy as deploying
from edgeguard.fleet.local import Local
from tests.artifacts import make_artifact
from tests.fleet import fake_ssh
from tests.fleet.boards import Board, fake_wheels, healthy_facts, own_python_first


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory of a device that the stand-in for ssh reaches: this machine."""
    place = tmp_path / "device"
    place.mkdir()
    monkeypatch.setenv("PATH", f"{fake_ssh.install(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(fake_ssh.HOME, str(place))
    return place


@pytest.fixture(scope="session")
def board_place() -> Iterator[Path]:
    """Where boards lie: in memory if there is such a place, for flushing to a disk would take most of the time."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        yield Path(place)


@pytest.fixture
def board(board_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    """A device without anything on it: this machine, found healthy."""
    monkeypatch.setenv("PATH", own_python_first())
    monkeypatch.setattr(deploying, "ask_before_deploy", lambda *_: healthy_facts())
    home = board_place / "home"
    home.mkdir()
    yield Board(home, Local(home), fake_wheels(tmp_path / "wheels"))
    shutil.rmtree(home)


@pytest.fixture
def used(board: Board, board_place: Path, first: Path) -> Board:
    """A device on which the first artifact is current. The deploy is done once: its environment bears no other path."""
    template = board_place / "used"
    if not template.is_dir():
        board.deploy(first)
        subprocess.run(["cp", "-a", str(board.home), str(template)], check=True)
    else:
        subprocess.run(["cp", "-a", f"{template}/.", str(board.home)], check=True)
    return board


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """An artifact."""
    return make_artifact(_folder(tmp_path / "first"), seed=0)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """Another artifact of the same name."""
    return make_artifact(_folder(tmp_path / "second"), seed=1)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
