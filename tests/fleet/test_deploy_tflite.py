"""Deploying TFLite artifacts: their engine comes with them, and stays as long as somebody needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.errors import DeviceError
from edgeguard.fleet.deploy_store import Place
from edgeguard.fleet.local import Local
from tests.artifacts import make_artifact
from tests.fleet.boards import Board, environment_of, fake_wheels
from tests.tflite_artifacts import make_tflite_artifact


@pytest.fixture
def light(tmp_path: Path) -> Path:
    (tmp_path / "light").mkdir()
    return make_tflite_artifact(tmp_path / "light")


def lit(board: Board) -> bool:
    """Whether LiteRT was asked for when the current environment was made; see the stand-in for pip."""
    (site,) = (board.home / "edgeguard/env/current/lib").glob("python3*/site-packages")
    return not (site / "ai_edge_litert.py").exists()


def test_the_engine_is_installed_for_it_alone(used: Board, light: Path) -> None:
    assert not lit(used)
    before = environment_of(used)
    done = used.deploy(light)
    assert (done.artifact, done.changed, done.environment_built) == ("small", True, True)
    assert lit(used)
    assert environment_of(used) != before
    assert {path.name for path in (used.home / "edgeguard/artifacts/small/current").iterdir()} == {
        "model.tflite",
        "golden.npz",
        "manifest.json",
    }
    assert used.answering() is not None


def test_another_artifact_does_not_take_the_engine_away(board: Board, light: Path, first: Path, tmp_path: Path) -> None:
    board.deploy(light)
    kept = environment_of(board)
    done = board.deploy(first)
    assert (done.environment_built, environment_of(board), lit(board)) == (False, kept, True)
    # Once no TFLite model is in use, nobody needs it any longer.
    (tmp_path / "heavy").mkdir()
    board.deploy(make_artifact(tmp_path / "heavy", name="small"))
    assert environment_of(board) == kept
    done = board.deploy(first)
    assert (done.environment_built, lit(board)) == (True, False)


def test_an_engine_that_this_cpu_cannot_run_changes_nothing(used: Board, light: Path, tmp_path: Path) -> None:
    before = environment_of(used)
    with pytest.raises(DeviceError, match="ai-edge-litert uses instructions that this CPU lacks"):
        used.carrying(fake_wheels(tmp_path / "other", "unlit")).deploy(light)
    assert environment_of(used) == before
    assert Place(Local(used.home), "edgeguard", "artifacts/small").status().current is None
