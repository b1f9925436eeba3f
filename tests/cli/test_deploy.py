"""``edgeguard deploy``: the options, one device and a fleet, behind a stand-in for ssh."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgeguard.fleet import deploy as deploying
from edgeguard.fleet.local import Local
from tests.artifacts import make_artifact
from tests.cli.inprocess import Here
from tests.fleet import fake_ssh
from tests.fleet.boards import Board, fake_wheels, healthy_facts, own_python_first, version_of


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """What every host name leads to."""
    home = tmp_path / "device"
    home.mkdir()
    monkeypatch.setenv("PATH", f"{fake_ssh.install(tmp_path / 'bin')}{os.pathsep}{own_python_first()}")
    monkeypatch.setenv(fake_ssh.HOME, str(home))
    monkeypatch.setenv(fake_ssh.LOG, str(tmp_path / "ssh.log"))
    monkeypatch.setattr(deploying, "ask_before_deploy", lambda *_: healthy_facts())
    return Board(home, Local(home), fake_wheels(tmp_path / "wheels"))


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return make_artifact(tmp_path)


@pytest.fixture
def wheels(board: Board) -> tuple[str, Path]:
    return ("--wheels", board.wheels)


def fleet(directory: Path, *devices: str, canary: str = "") -> Path:
    """A fleet of directories on the one device."""
    lines = []
    for name in devices:
        lines += [
            "[[device]]",
            f'host = "pi@{name}"',
            f'directory = "{name}"',
            f"canary = {str(name == canary).lower()}",
        ]
    path = directory / "fleet.toml"
    path.write_text("\n".join(lines))
    return path


def current(board: Board, directory: str = "edgeguard") -> str | None:
    link = board.home / directory / "artifacts/model/current"
    return link.resolve().name if link.is_symlink() else None


def test_one_device(here: Here, board: Board, artifact: Path, wheels: tuple[str, Path], tmp_path: Path) -> None:
    done = here("deploy", artifact, "pi@board.local:2222", *wheels)
    assert done.code == 0, done.err
    assert (
        f"pi@board.local:2222: model {version_of(artifact)} is current now, and verified (none before it)" in done.out
    )
    assert "verifying it there" in done.err
    assert board.answering() == version_of(artifact)
    asked = (tmp_path / "ssh.log").read_text()
    assert "'-p', '2222', '-l', 'pi', 'board.local'" in asked
    assert "BatchMode" not in asked


def test_json_and_back(here: Here, board: Board, artifact: Path, wheels: tuple[str, Path], tmp_path: Path) -> None:
    first = json.loads(here("deploy", artifact, "board", *wheels, "--json").out)
    assert first["version"] == version_of(artifact)
    assert first["changed"]
    assert first["environment_built"]
    assert first["previous"] is None
    (tmp_path / "newer").mkdir()
    newer = make_artifact(tmp_path / "newer", seed=1)
    second = json.loads(here("deploy", newer, "board", *wheels, "--json").out)
    assert (second["version"], second["previous"]) == (version_of(newer), version_of(artifact))
    back = here("deploy", newer, "board", "--rollback", "--json")
    assert json.loads(back.out)["version"] == version_of(artifact)
    assert board.answering() == version_of(artifact)


def test_a_relative_path_gives_the_same_name(
    here: Here, board: Board, artifact: Path, wheels: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(artifact)
    assert here("deploy", ".", "board", *wheels).code == 0
    assert current(board) == version_of(artifact)


def test_another_directory(here: Here, board: Board, artifact: Path, wheels: tuple[str, Path]) -> None:
    place = board.home / "else where" / "guard"
    assert here("deploy", artifact, "board", *wheels, "--directory", place).code == 0
    assert current(board, "else where/guard") == version_of(artifact)
    assert not (board.home / "edgeguard").exists()


def test_a_device_that_cannot_be_reached(
    here: Here, board: Board, artifact: Path, wheels: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fake_ssh.SAY, "ssh: connect to host board port 22: Connection refused")
    here("deploy", artifact, "board", *wheels).failed(6, "board", "nothing listens there")


def test_an_artifact_that_was_changed_stays_here(
    here: Here, board: Board, artifact: Path, wheels: tuple[str, Path]
) -> None:
    (artifact / "model.onnx").write_bytes(b"")
    here("deploy", artifact, "board", *wheels).failed(4, "model.onnx")
    assert os.listdir(board.home) == []


def test_nothing_to_roll_back_to(here: Here, board: Board, artifact: Path) -> None:
    here("deploy", artifact, "board", "--rollback").failed(6, "no previous version of model")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "name a device or a fleet"),
        (("board", "--fleet", "fleet.toml"), "name a device or a fleet"),
        (("board", "--wheels", "wheels", "--from-index"), "contradict"),
        (("board", "--ansible-inventory"), "--fleet"),
        (("board", "--wheels", "nowhere"), "no such directory"),
        (("--fleet", "nowhere.toml"), "no such file"),
        (("-oProxyCommand=x",), "No such option"),
        (("pi@board:x",), "no port"),
    ],
)
def test_what_contradicts_itself_is_refused(here: Here, artifact: Path, arguments: tuple[str, ...], word: str) -> None:
    done = here("deploy", artifact, *arguments)
    assert done.code == 2
    assert word in done.err


def test_a_fleet_side_by_side(
    here: Here, board: Board, artifact: Path, wheels: tuple[str, Path], tmp_path: Path
) -> None:
    done = here("deploy", artifact, "--fleet", fleet(tmp_path, "a", "b", "c"), *wheels, "--parallel", "2")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("ok       a: model")
    assert sorted(line[:11] for line in lines[1:3]) == ["ok       b:", "ok       c:"]
    assert lines[3:] == ["3 devices, all well"]
    assert {current(board, name) for name in "abc"} == {version_of(artifact)}
    asked = (tmp_path / "ssh.log").read_text()
    assert asked.count("BatchMode=yes") >= 3


def test_a_canary_that_fails_stops_the_rest(
    here: Here, board: Board, artifact: Path, wheels: tuple[str, Path], tmp_path: Path
) -> None:
    (board.home / "b").write_text("no directory")
    done = here("deploy", artifact, "--fleet", fleet(tmp_path, "a", "b", "c", canary="b"), *wheels)
    assert done.code == 6
    assert done.out.splitlines()[0].startswith("FAILED   b: pi@b: ")
    assert done.out.splitlines()[1:] == ["skipped  a: a canary failed", "skipped  c: a canary failed"]
    assert "3 of 3 devices failed or were not tried: b, a, c" in done.err
    assert os.listdir(board.home) == ["b"]


def test_another_device_that_fails_stops_nobody(
    here: Here, board: Board, artifact: Path, wheels: tuple[str, Path], tmp_path: Path
) -> None:
    (board.home / "b").write_text("no directory")
    done = here("deploy", artifact, "--fleet", fleet(tmp_path, "a", "b", "c"), *wheels, "--json")
    assert done.code == 6
    records = {record["name"]: record for record in json.loads(done.out)["devices"]}
    assert records["b"]["result"] is None
    assert records["b"]["error"]["exit_code"] == 6
    assert "pi@b" in records["b"]["error"]["message"]
    assert {records[name]["result"]["version"] for name in "ac"} == {version_of(artifact)}
    assert {current(board, name) for name in "ac"} == {version_of(artifact)}


def test_a_fleet_for_ansible(here: Here, artifact: Path, tmp_path: Path) -> None:
    done = here("deploy", artifact, "--fleet", fleet(tmp_path, "a", "b", canary="b"), "--ansible-inventory")
    assert done.code == 0
    assert json.loads(done.out)["all"]["hosts"]["b"] == {"ansible_host": "b", "ansible_user": "pi"}
    assert json.loads(done.out)["all"]["children"] == {"canary": {"hosts": {"b": None}}}
