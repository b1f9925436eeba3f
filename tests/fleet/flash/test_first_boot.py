"""The first boot, on this machine: installed as deploy would, verified before anything is switched, tried again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgeguard.artifact import open_artifact
from edgeguard.fleet.flash.bundle import Bundle, make_bundle
from edgeguard.fleet.flash.public_keys import PublicKey
from edgeguard.fleet.flash.service import service_files
from edgeguard.fleet.flash.settings import Settings
from edgeguard.fleet.wheels import wheels_in
from tests.artifacts import repack
from tests.fleet.boards import Board, fake_wheels, own_python_first, version_of
from tests.fleet.flash.cards import key

KEY: PublicKey = key()


@dataclass
class Booting:
    """A device whose card was flashed: what lies on the boot partition, and the service's files on its own disk."""

    board: Board
    disk: Path
    bundle: Path

    def boot(self) -> tuple[int, dict[str, Any]]:
        """What the service does, by the same command, as the user; and the outcome that it leaves."""
        done = subprocess.run(
            [sys.executable, "-I", str(self.disk / "first_boot.py"), str(self.disk / "first_boot.json")],
            env={"HOME": str(self.board.home), "PATH": own_python_first()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
        )
        self.journal = done.stderr.decode()
        return done.returncode, json.loads((self.board.home / "edgeguard/first-boot.json").read_text())


def flashed(board: Board, disk: Path, artifact: Path, wheels: Path) -> Booting:
    """The files as the service has them, but for the place of the boot partition."""
    bundle: Bundle = make_bundle(open_artifact(artifact), wheels_in(wheels))
    disk.mkdir(exist_ok=True)
    path = disk / Path(bundle.path).name
    path.write_bytes(bundle.data)
    script, request, _ = service_files(Settings("attic", "pi", (KEY,)), bundle)
    (disk / "first_boot.py").write_text(script.content)
    (disk / "first_boot.json").write_text(json.dumps({**json.loads(request.content), "bundle": str(path)}))
    return Booting(board, disk, path)


@pytest.fixture
def booting(board: Board, tmp_path: Path, first: Path) -> Booting:
    return flashed(board, tmp_path / "disk", first, board.wheels)


def test_the_artifact_is_installed_verified_and_current(booting: Booting, first: Path) -> None:
    code, outcome = booting.boot()
    assert code == 0, booting.journal
    assert outcome["state"] == "installed"
    assert outcome["version"] == version_of(first) == booting.board.answering()
    assert outcome["attempts"] == 1
    assert {check["name"]: check["passed"] for check in outcome["verified"]}["goldens"] is True
    home = booting.board.home / "edgeguard"
    assert sorted(os.listdir(home)) == ["artifacts", "env", "first-boot.json", "wheels"]
    for line in ("unpacking the wheels", "verifying it"):
        assert line in booting.journal


def test_a_deploy_of_the_same_finds_everything_there(booting: Booting, first: Path) -> None:
    booting.boot()
    done = booting.board.deploy(first)
    assert (done.changed, done.files_sent, done.environment_built) == (False, 0, False)


def test_once_installed_it_does_nothing_not_even_after_another_deploy(
    booting: Booting, first: Path, second: Path
) -> None:
    _, outcome = booting.boot()
    booting.board.deploy(second)
    booting.bundle.unlink()
    assert booting.boot() == (0, outcome)
    assert booting.board.answering() == version_of(second)


def test_a_new_card_is_installed_over_the_old(booting: Booting, board: Board, first: Path, second: Path) -> None:
    booting.boot()
    code, outcome = flashed(board, booting.disk, second, board.wheels).boot()
    assert (code, outcome["state"], outcome["attempts"]) == (0, "installed", 1)
    assert board.answering() == version_of(second)
    assert os.readlink(board.place / "previous") == f"versions/{version_of(first)}"


def test_a_damaged_bundle_installs_nothing_and_says_so(booting: Booting) -> None:
    good = booting.bundle.read_bytes()
    booting.bundle.write_bytes(good[:-1] + b"x")
    code, outcome = booting.boot()
    assert code == 1
    assert outcome["state"] == "failed"
    assert "damaged" in outcome["what"]
    assert outcome["fix"] == "Flash the card again"
    assert os.listdir(booting.board.home / "edgeguard") == ["first-boot.json"]
    booting.bundle.unlink()
    code, outcome = booting.boot()
    assert (code, outcome["attempts"]) == (1, 2)
    assert "not on the boot partition" in outcome["what"]
    # Whatever the next boot finds whole, it installs.
    booting.bundle.write_bytes(good)
    code, outcome = booting.boot()
    assert (code, outcome["state"], outcome["attempts"]) == (0, "installed", 3)


@pytest.mark.parametrize(("wheel", "words"), [("broken", "pip cannot install"), ("illegal", "SIGILL")])
def test_an_environment_that_does_not_work_leaves_the_device_as_it_was(
    board: Board, tmp_path: Path, first: Path, second: Path, wheel: str, words: str
) -> None:
    board.deploy(first)
    before = os.readlink(board.home / "edgeguard/env/current")
    code, outcome = flashed(board, tmp_path / "disk", second, fake_wheels(tmp_path / "bad", wheel)).boot()
    assert (code, outcome["state"]) == (1, "failed")
    assert words in outcome["what"]
    assert os.readlink(board.home / "edgeguard/env/current") == before
    assert board.answering() == version_of(first)


def test_an_artifact_that_answers_otherwise_here_never_becomes_current(
    board: Board, tmp_path: Path, first: Path, second: Path
) -> None:
    board.deploy(first)
    other = repack(second, golden=b"PK\x03\x04 nothing")
    code, outcome = flashed(board, tmp_path / "disk", other, board.wheels).boot()
    assert (code, outcome["state"]) == (1, "failed")
    assert "does not verify on this device" in outcome["what"]
    assert board.answering() == version_of(first)


def test_an_outcome_that_the_power_cut_short_counts_as_none(booting: Booting) -> None:
    (booting.board.home / "edgeguard").mkdir()
    (booting.board.home / "edgeguard/first-boot.json").write_text('{"state": "inst')
    (booting.board.home / "edgeguard/.first-boot-dead").mkdir()
    code, outcome = booting.boot()
    assert (code, outcome["attempts"]) == (0, 1)
    assert not (booting.board.home / "edgeguard/.first-boot-dead").exists()
