"""``edgeguard attack``: one theft through the real command line, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeguard.attacks.loot import CLONE_ONNX, CLONE_WEIGHTS, REPORT
from edgeguard.runtimes.ort_session import open_session, run_session
from tests.artifacts import SIZE, make_artifact, random_images, random_network
from tests.cli.inprocess import Here

QUICK = ("--student", "lenet", "--epochs", "2", "--batch", "16", "--augmentation", "none")
IMAGES = 80


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A victim, a network in a file, images for a thief and labelled ones."""
    path = tmp_path_factory.mktemp("attack")
    make_artifact(path)
    (path / "float.onnx").write_bytes(random_network().SerializeToString())
    np.savez(path / "thief.npz", x=random_images(IMAGES, seed=5))
    np.savez(path / "test.npz", x=random_images(40, seed=6), y=np.arange(40) % 10)
    return path


@pytest.fixture
def at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def test_the_clone_and_its_report_are_saved(at: Path, here: Here) -> None:
    done = here(
        "attack", "model.edgeguard", "--transfer-set", "thief.npz", "--test", "test.npz", *QUICK, "-o", "a", "--json"
    )
    assert done.code == 0, done.err
    told, report = json.loads(done.out), json.loads((at / "a" / REPORT).read_text())
    assert {name: report[name] for name in told if name != "output"} == {k: v for k, v in told.items() if k != "output"}
    assert (told["queries"], told["images"]) == (IMAGES, IMAGES)
    # The answers of dcp differ from the posteriors, which the lab beside the artifact knows; its labels hardly do.
    assert told["exposure"]["l1"] > 0.1
    assert told["utility"]["l1"] > 0.1
    assert 0 <= told["theft"]["fidelity"] <= 1
    assert {entry.name for entry in (at / "a").iterdir()} == {CLONE_WEIGHTS, CLONE_ONNX, REPORT}
    session = open_session((at / "a" / CLONE_ONNX).read_bytes())
    assert run_session(session, np.zeros((3, 3, SIZE, SIZE), np.float32), None).shape == (3, 10)


def test_a_slow_way_of_training_is_told(at: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeguard.attacks.training.slow_here", lambda recipe: f"{recipe.precision} is slow here")
    few = ("--queries", "20", "--precision", "bfloat16", "-o", "slow")
    done = here("attack", "float.onnx", "--transfer-set", "thief.npz", *QUICK, *few)
    assert done.code == 0, done.err
    assert "bfloat16 is slow here" in done.err


def test_a_clone_can_be_examined_like_any_suspect(at: Path, here: Here) -> None:
    assert here("attack", "model.edgeguard", "--transfer-set", "thief.npz", *QUICK, "-o", "b").code == 0
    report = json.loads((at / "b" / REPORT).read_text())
    assert report["theft"] is None
    arguments = [word for name, value in report["arch_args"].items() for word in ("--arch-arg", f"{name}={value}")]
    again = here(
        "attack", f"b/{CLONE_WEIGHTS}", "--arch", report["arch"], *arguments, "--input-shape", f"3,{SIZE},{SIZE}",
        "--preprocess", "unit", "--transfer-set", "thief.npz", "--test", "test.npz", *QUICK, "-o", "c",
    )  # fmt: skip
    assert again.code == 0, again.err
    assert "accuracy of the clone" in again.out


def test_a_network_in_a_file_answers_with_its_posterior(at: Path, here: Here) -> None:
    done = here(
        "attack", "float.onnx", "--preprocess", "unit", "--transfer-set", "thief.npz", "--test", "test.npz",
        "--queries", "50", "--strategy", "top-1", *QUICK, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (at / "float.theft" / REPORT).is_file()
    assert told["queries"] == 50
    assert (told["exposure"]["l1"], told["exposure"]["flips"], told["utility"]["flips"]) == (0, 0, 0)


def test_without_images_a_generator_asks(at: Path, here: Here) -> None:
    done = here("attack", "model.edgeguard", "--data-free", "dfme", "--queries", "3000", *QUICK, "-o", "d", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["queries"], told["choice"], told["images"], told["exposure"]) == (3000, None, None, None)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, ["--transfer-set", "--data-free"]),
        (("--transfer-set", "thief.npz", "--strategy", "psychic"), 2, ["psychic", "naive"]),
        (("--transfer-set", "thief.npz", "--choice", "psychic"), 2, ["psychic", "random"]),
        (("--transfer-set", "thief.npz", "--data-free", "dfme"), 2, ["--transfer-set", "own images"]),
        (("--transfer-set", "thief.npz", "--student", "psychic"), 2, ["psychic", "lenet"]),
        (("--transfer-set", "thief.npz", "--queries", "81"), 2, ["81", "80"]),
        (("--transfer-set", "thief.npz", "--test", "thief.npz"), 3, ["thief.npz", "labels"]),
        (("--transfer-set", "none.npz"), 3, ["none.npz"]),
        (("--transfer-set", "thief.npz", "--preprocess", "unit"), 2, ["--preprocess", "artifact"]),
    ],
)
def test_refusals_leave_nothing(at: Path, here: Here, arguments: tuple[str, ...], code: int, words: list[str]) -> None:
    before = sorted(at.iterdir())
    here("attack", "model.edgeguard", *arguments, "--epochs", "1", "-o", "refused").failed(code, *words)
    assert sorted(at.iterdir()) == before


def test_a_theft_is_replaced_only_by_force(at: Path, here: Here) -> None:
    (at / "there").mkdir()
    done = here("attack", "model.edgeguard", "--transfer-set", "thief.npz", *QUICK, "-o", "there")
    done.failed(2, "there", "--force")
