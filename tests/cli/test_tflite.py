"""Every command that takes an artifact takes one with a TFLite model, and says nothing of what LiteRT mutters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.keys import write_key
from edgeguard.runtimes.litert_session import litert_answerer
from tests.attacks.answers import KEY
from tests.cli.inprocess import Here
from tests.cli.shell import edgeguard
from tests.tflite_artifacts import PREPROCESS, images, make_tflite_artifact
from tests.tflite_files import dense_file

LABELS = tuple("abcdefghij")
COUNT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact, its network without lab or manifest, and images, labelled as its float network sees them."""
    path = tmp_path_factory.mktemp("tflite")
    make_tflite_artifact(path, defense=Defense(Dcp(beta=1.2)), labels=LABELS)
    (path / "bare.tflite").write_bytes(dense_file())
    pictures = images(COUNT, seed=5)
    seen = litert_answerer(dense_file())(PREPROCESS(pictures)).argmax(axis=-1)
    np.savez(path / "set.npz", x=pictures, y=seen)
    np.savez(path / "many.npz", x=images(300, seed=8))
    Image.fromarray(pictures[0].repeat(20, axis=0).repeat(20, axis=1)).save(path / "one.png")
    write_key(path / "owner.key", KEY)
    return path


@pytest.fixture
def at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("at")
def test_verify_and_run_in_processes_of_their_own() -> None:
    done = edgeguard("verify", "small.edgeguard", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["passed"]
    assert told["goldens"]["count"] >= 16
    assert (told["facts"]["engine"], told["facts"]["kernels"]) == ("ai-edge-litert", "xnnpack")
    done = edgeguard("run", "small.edgeguard", "one.png", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)[0]["answer"][0]["label"] in LABELS


@pytest.mark.usefixtures("at")
def test_accuracy_beside_the_lab(here: Here) -> None:
    done = here("accuracy", "small.edgeguard", "--data", "set.npz", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["accuracy_float"]["value"] == 1
    assert 0.9 <= told["agreement"]["value"] <= 1
    assert told["flips"]["value"] <= 0.1
    assert told["l1_mean"] > 0.02
    assert told["skipped"] == []


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize("suspect", ["small.edgeguard", "bare.tflite"])
def test_trace(here: Here, suspect: str) -> None:
    said = ("--preprocess", "unit", "--layout", "nhwc") if suspect.endswith(".tflite") else ()
    done = here("trace", suspect, *said, "--key", "owner.key", "--data", "many.npz", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["classes"], told["queries"]) == (10, 300)
    # Neither learnt from answers under the key.
    assert told["p"] > 0.001


def test_attack_through_an_input_with_the_channels_last(at: Path, here: Here) -> None:
    make_tflite_artifact(at, name="victim", defense=Defense(Dcp(beta=1.2)))
    done = here(
        "attack", "victim.edgeguard", "--transfer-set", "many.npz", "--test", "set.npz", "--student", "resnet20/4",
        "--epochs", "1", "--batch", "32", "--augmentation", "none", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["queries"] == 300
    assert told["utility"]["l1"] > 0.02
    assert told["utility"]["undefended"] >= 0.9


def test_a_file_that_is_no_tflite_model_is_refused(at: Path, here: Here) -> None:
    (at / "broken.tflite").write_bytes(dense_file()[:300])
    said = ("--preprocess", "unit", "--layout", "nhwc", "--key", "owner.key", "--data", "many.npz")
    here("trace", "broken.tflite", *said).failed(3, "broken.tflite", "interpreter")
