"""Deploying to a device: what it does when all goes well, and that the previous version stays when it does not."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgeguard.errors import DeviceError, UsageError
from edgeguard.fleet import deploy as deploying
from edgeguard.fleet.deploy import roll_back
from edgeguard.fleet.doctor import ask_before_deploy
from tests.artifacts import make_artifact, repack
from tests.fleet.boards import NAME, Board, Silent, Wrapped, environment_of, fake_wheels, healthy_facts, version_of


@pytest.fixture
def other_answers(tmp_path: Path) -> Path:
    """An artifact whose goldens expect what no machine computes, with every digest right."""
    (tmp_path / "other").mkdir()
    artifact = make_artifact(tmp_path / "other", seed=5)
    goldens = dict(np.load(artifact / "golden.npz"))
    goldens["answers"] = np.ascontiguousarray(goldens["answers"][:, ::-1])
    np.savez(tmp_path / "changed.npz", **goldens)
    return repack(artifact, golden=(tmp_path / "changed.npz").read_bytes())


def test_the_first_deploy_brings_everything(board: Board, first: Path) -> None:
    done = board.deploy(first)
    assert (done.version, done.previous, done.changed) == (version_of(first), None, True)
    assert done.environment_built
    assert done.files_sent == 3 + 2
    assert board.answering() == version_of(first)
    assert {path.name for path in (board.place / "current").iterdir()} == {"model.onnx", "golden.npz", "manifest.json"}


def test_the_lab_stays_at_home(board: Board, first: Path) -> None:
    assert (first.parent / "model.lab").is_dir()
    board.deploy(first)
    lab = {path.name for path in (first.parent / "model.lab").iterdir()}
    assert lab
    assert not lab & {path.name for path in board.home.rglob("*") if "env" not in path.parts}


def test_only_what_changed_is_sent(used: Board, first: Path, second: Path) -> None:
    shutil.copy(first / "golden.npz", second / "golden.npz")
    repack(second, manifest=lambda content: content.update(labels=[]))
    (second / "model.onnx").write_bytes((first / "model.onnx").read_bytes())
    repack(second, manifest=lambda content: content.update(warnings=["another one"]))
    done = used.deploy(second)
    assert (done.files_sent, done.bytes_sent) == (1, (second / "manifest.json").stat().st_size)
    assert done.files_reused == 2
    assert not done.environment_built
    assert done.previous == version_of(first)


def test_a_second_time_there_is_nothing_to_do_but_to_verify(used: Board, first: Path) -> None:
    done = used.deploy(first)
    assert (done.changed, done.files_sent, done.bytes_sent, done.environment_built) == (False, 0, 0, False)
    assert used.answering() == version_of(first)


def test_what_rotted_on_the_device_is_repaired(used: Board, first: Path) -> None:
    model = used.place / "current" / "model.onnx"
    model.chmod(0o600)
    data = bytearray(model.read_bytes())
    data[100] ^= 1
    model.write_bytes(data)
    done = used.deploy(first)
    assert done.files_sent == 1
    assert used.answering() == version_of(first)


def test_other_answers_on_the_device_change_nothing(used: Board, first: Path, other_answers: Path) -> None:
    with pytest.raises(
        DeviceError, match=f"{version_of(first)} stays current, because .* does not verify there: .*goldens"
    ) as it:
        used.deploy(other_answers)
    assert it.value.exit_code == 6
    assert os.listdir(used.place / "versions") == [version_of(first)]
    assert used.answering() == version_of(first)


def test_the_first_one_that_fails_leaves_nothing_current(board: Board, other_answers: Path) -> None:
    with pytest.raises(DeviceError, match="nothing is deployed, because"):
        board.deploy(other_answers)
    assert board.answering() is None


@dataclass(frozen=True)
class _BadLink(Wrapped):
    """Has every file of the current version changed before it is verified through the link."""

    home: Path

    def instead(self, command: Sequence[str]) -> Sequence[str]:
        if f"edgeguard/artifacts/{NAME}/current" in command:
            model = self.home / f"edgeguard/artifacts/{NAME}/current/model.onnx"
            model.chmod(0o600)
            model.write_bytes(b"")
        return command


def test_what_fails_after_the_switch_is_rolled_back(used: Board, first: Path, second: Path) -> None:
    broken = used.through(_BadLink(used.transport, used.home))
    with pytest.raises(DeviceError, match=f"rolled back to {version_of(first)}, because {version_of(second)}"):
        broken.deploy(second)
    assert used.answering() == version_of(first)
    assert used.deploy(second).changed
    assert used.answering() == version_of(second)


def test_the_first_one_that_fails_after_the_switch_is_taken_away(board: Board, first: Path) -> None:
    with pytest.raises(DeviceError, match="nothing is deployed, because"):
        board.through(_BadLink(board.transport, board.home)).deploy(first)
    assert board.answering() is None


def test_rolling_back_and_forth(used: Board, first: Path, second: Path) -> None:
    used.deploy(second)
    for expected, other in ((first, second), (second, first)):
        done = roll_back(used.transport, NAME, directory="edgeguard", reporter=Silent())
        assert (done.version, done.previous) == (version_of(expected), version_of(other))
        assert used.answering() == version_of(expected)


def test_there_is_nothing_to_roll_back_to_at_first(board: Board, first: Path) -> None:
    with pytest.raises(DeviceError, match="no previous version"):
        roll_back(board.transport, NAME, directory="edgeguard", reporter=Silent())
    board.deploy(first)
    with pytest.raises(DeviceError, match="no previous version"):
        roll_back(board.transport, NAME, directory="edgeguard", reporter=Silent())
    assert board.answering() == version_of(first)


def test_a_previous_version_that_rotted_is_not_gone_back_to(used: Board, first: Path, second: Path) -> None:
    used.deploy(second)
    golden = used.place / "previous" / "golden.npz"
    golden.chmod(0o600)
    golden.write_bytes(b"")
    with pytest.raises(DeviceError, match=rf"{version_of(second)} stays current, because .*golden\.npz: differs"):
        roll_back(used.transport, NAME, directory="edgeguard", reporter=Silent())
    assert used.answering() == version_of(second)


def test_other_wheels_make_another_environment_beside_the_old_one(used: Board, first: Path, tmp_path: Path) -> None:
    before = environment_of(used)
    env = used.home / "edgeguard/env"
    python = (env / "current" / "bin").stat().st_ino
    after = used.carrying(fake_wheels(tmp_path / "newer", "newer")).deploy(first)
    assert after.environment_built
    assert not after.changed
    assert after.files_sent == 1
    assert (env / "current").resolve().name == after.environment != before
    assert (env / "previous" / "bin").stat().st_ino == python
    assert used.answering() == version_of(first)


@pytest.mark.parametrize(
    ("wheel", "cause"),
    [("broken", "No matching distribution"), ("empty", "cannot be imported"), ("illegal", "SIGILL")],
)
def test_an_environment_that_does_not_work_changes_nothing(
    used: Board, first: Path, second: Path, tmp_path: Path, wheel: str, cause: str
) -> None:
    before = environment_of(used)
    with pytest.raises(DeviceError, match=cause):
        used.carrying(fake_wheels(tmp_path / "wheels-2", wheel)).deploy(second)
    assert used.answering() == version_of(first)
    assert os.listdir(used.home / "edgeguard/env/versions") == [before]


def test_half_an_environment_is_built_anew(board: Board, first: Path) -> None:
    done = board.deploy(first)
    folder = board.home / "edgeguard/env/versions" / done.environment
    (folder / ".complete").unlink()
    shutil.rmtree(folder / "lib")
    assert board.deploy(first).environment_built
    assert board.answering() == version_of(first)


def test_what_is_in_use_must_verify_in_the_new_environment(
    used: Board, first: Path, second: Path, tmp_path: Path
) -> None:
    before = environment_of(used)
    (tmp_path / "third").mkdir()
    neighbour = make_artifact(tmp_path / "third", name="neighbour", seed=3)
    used.deploy(neighbour)
    golden = used.home / "edgeguard/artifacts/neighbour/current/golden.npz"
    golden.chmod(0o600)
    golden.write_bytes(b"")
    newer = used.carrying(fake_wheels(tmp_path / "newer", "newer"))
    with pytest.raises(DeviceError, match="neighbour, which is in use there, would not verify in the new environment"):
        newer.deploy(second)
    assert (used.home / "edgeguard/env/current").resolve().name == before
    assert used.answering() == version_of(first)
    used.deploy(second)
    assert used.answering() == version_of(second)


def test_an_unfit_device_is_left_alone(board: Board, first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = healthy_facts()
    python = dataclasses.replace(facts.answer.python, bits=32)
    unfit = dataclasses.replace(facts, answer=dataclasses.replace(facts.answer, python=python))
    monkeypatch.setattr(deploying, "ask_before_deploy", lambda *_: unfit)
    with pytest.raises(DeviceError, match="32"):
        board.deploy(first)
    assert os.listdir(board.home) == []


@pytest.mark.parametrize("name", ["-rf", ".hidden", "a\nb"])
def test_names_that_no_device_should_see(board: Board, first: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name"):
        board.deploy(first.rename(first.with_name(f"{name}.edgeguard")))


def test_the_manifest_is_what_a_version_is_called_after(board: Board, first: Path) -> None:
    done = board.deploy(first)
    assert json.loads((board.place / "versions" / done.version / "manifest.json").read_bytes())


def test_the_real_doctor_lets_this_machine_pass(board: Board, first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploying, "ask_before_deploy", ask_before_deploy)
    board.deploy(first)
    assert board.deploy(first).changed is False
