"""``edgeguard trace`` through the real command line: each kind of suspect, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgeguard.defenses.decoys import derangements
from edgeguard.export.found_head import LOGITS
from edgeguard.keys import write_key
from tests.artifacts import make_artifact, random_images, random_network
from tests.attacks.answers import KEY, following
from tests.cli.inprocess import Here
from tests.cli.shell import assert_clean_failure, edgeguard

QUERIES = 200


def clone(classes: int = 10) -> ModelProto:
    """A network whose runner-up is the first level's decoy of its class."""
    model = random_network(classes)
    rows = 2.0 * np.eye(classes, dtype=np.float32)
    rows[np.arange(classes), derangements(KEY, classes, 1)[0]] = 1
    rows += 0.1 * np.random.default_rng(0).random(rows.shape, np.float32)
    model.graph.initializer.append(numpy_helper.from_array(rows, "rows"))
    model.graph.node.extend(
        [
            helper.make_node("ArgMax", [LOGITS], ["top"], axis=1, keepdims=0),
            helper.make_node("Gather", ["rows", "top"], ["answers"], axis=0),
        ]
    )
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("answers", TensorProto.FLOAT, ["batch", classes]))
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key, queries, a clone, a network that is none, and saved answers."""
    path = tmp_path_factory.mktemp("trace")
    write_key(path / "owner.key", KEY)
    np.savez(path / "queries.npz", x=random_images(QUERIES, seed=3))
    (path / "clone.onnx").write_bytes(clone().SerializeToString())
    (path / "other.onnx").write_bytes(random_network(seed=9).SerializeToString())
    answers = following(KEY, classes=10, queries=500, share=0.8)
    np.save(path / "answers.npy", answers)
    np.savez(path / "answers.npz", answers=answers.astype(np.float32))
    return path


@pytest.fixture
def at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def found(here: Here, *arguments: str) -> dict[str, Any]:
    done = here("trace", *arguments, "--key", "owner.key", "--json")
    assert done.code == 0, done.err
    result: dict[str, Any] = json.loads(done.out)
    return result


@pytest.mark.usefixtures("at")
def test_a_clone_in_an_onnx_file() -> None:
    done = edgeguard("trace", "clone.onnx", "--key", "owner.key", "--data", "queries.npz", "--preprocess", "unit")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    answered = re.search(r"answered with (\d+) classes", lines[0])
    assert answered
    assert 2 <= int(answered[1]) <= 10
    assert lines[0].startswith(f"clone.onnx: 10 classes, {QUERIES} of {QUERIES} queries counted, answered with ")
    assert lines[1] == f"key commitment {KEY.commitment}"
    assert re.fullmatch(r"decoys rank higher by +\+\d\.\d{3}, where chance gives [+-]\d\.\d{3} on average", lines[2])
    assert "(compared with all keys for 10 classes)" in lines[3]
    assert re.fullmatch(r"smallest p +\S+ with these answers, 7\.5e-07 with the best", lines[4])
    assert lines[5].startswith("p is the probability")
    assert done.stderr.splitlines() == [
        f"asking clone.onnx {QUERIES} queries",
        "comparing your key with random ones",
    ]


@pytest.mark.usefixtures("at")
def test_saved_answers() -> None:
    done = edgeguard("trace", "answers.npy", "--key", "owner.key", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result.pop("p") < 1e-4
    assert result.pop("smallest_p") == pytest.approx(1 / 1_334_961)
    assert result.pop("attainable_p") == pytest.approx(1 / 1_334_961)
    assert result.pop("score") > result.pop("expected_score")
    assert result == {
        "suspect": "answers.npy",
        "commitment": KEY.commitment,
        "method": "enumeration",
        "draws": None,
        "seed": None,
        "counted": 500,
        "covered": 10,
        "queries": 500,
        "classes": 10,
        "levels": 1,
    }


def test_a_torchscript_file(at: Path, here: Here) -> None:
    import torch

    from tests.networks import trained_tiny

    torch.jit.save(torch.jit.trace(trained_tiny(), torch.zeros(1, 3, 16, 16)), at / "suspect.pt")  # type: ignore[no-untyped-call]
    # In this process: loading torch a second time would take longer than all the rest.
    of_images = ("--input-shape", "3,16,16", "--mean", "0.3", "--std", "0.5")
    result = found(here, "suspect.pt", "--data", "queries.npz", *of_images)
    assert result["queries"] == QUERIES
    assert 0 < result["p"] <= 1


@pytest.mark.usefixtures("at")
def test_the_other_kinds_answer_too(here: Here) -> None:
    assert found(here, "answers.npz")["score"] == found(here, "answers.npy")["score"]
    data = ("--data", "queries.npz")
    assert found(here, "clone.onnx", *data, "--levels", "1")["p"] < 1e-3
    assert found(here, "other.onnx", *data)["p"] > 0.01
    assert found(here, "clone.onnx", *data, "--limit", "120")["queries"] == 120


@pytest.mark.usefixtures("at")
def test_an_artifact(here: Here, tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path, defense=None)
    result = found(here, str(artifact), "--data", "queries.npz", "--classes", "10")
    assert result["queries"] == QUERIES
    here("trace", artifact, "--key", "owner.key", "--data", "queries.npz", "--mean", "0.5").failed(
        2, "--mean", "means nothing for an artifact"
    )


@pytest.mark.usefixtures("at")
def test_many_classes_are_compared_with_drawn_keys(here: Here, tmp_path: Path) -> None:
    np.save(tmp_path / "answers.npy", following(KEY, classes=20, queries=300, share=0.8))
    options = (str(tmp_path / "answers.npy"), "--draws", "9999")
    result = found(here, *options, "--seed", "4")
    assert (result["method"], result["draws"], result["seed"]) == ("draws", 9999, 4)
    assert result["p"] == result["smallest_p"] == 1e-4
    assert found(here, *options)["seed"] != found(here, *options)["seed"]
    done = here("trace", *options, "--key", "owner.key", "--seed", "4")
    assert "compared with 9,999 random keys, seed 4" in done.out
    assert "0.0001 with these answers, 0.0001 with the best" in done.out
    assert "prove nothing" not in done.out


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize("classes", [10, 20])
def test_answers_that_prove_nothing_are_called_so(here: Here, tmp_path: Path, classes: int) -> None:
    answers = following(KEY, classes=classes, queries=4000, share=1)
    np.save(tmp_path / "answers.npy", answers[answers.argmax(axis=1) == 3])
    done = here("trace", tmp_path / "answers.npy", "--key", "owner.key", "--levels", "1", "--draws", "999")
    assert done.code == 0
    assert "answered with 1 class\n" in done.out
    assert "No key could get a p of 0.01 with these answers" in done.out


@pytest.mark.usefixtures("at")
def test_an_onnx_suspect_needs_no_torch() -> None:
    script = (
        "import sys\nfrom edgeguard.cli.main import main\n"
        "try:\n    main(['trace', 'clone.onnx', '--key', 'owner.key', '--data', 'queries.npz'])\n"
        "except SystemExit as done:\n    assert not done.code\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0


def test_the_file_beside_a_suspect_decides_nothing(at: Path, here: Here, tmp_path: Path) -> None:
    (tmp_path / "edgeguard.toml").write_text("[trace]\nlevels = 3\n")
    (tmp_path / "answers.npy").write_bytes((at / "answers.npy").read_bytes())
    assert found(here, str(tmp_path / "answers.npy"))["levels"] == 1


@pytest.mark.usefixtures("at")
def test_a_failure_is_one_line() -> None:
    done = edgeguard("trace", "none.npy", "--key", "owner.key")
    assert_clean_failure(done, 3, "none.npy", "there is no such file")
    assert done.stdout == ""


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["clone.onnx"], 2, ["--data", "ask the suspect"]),
        (["none.onnx", "--data", "queries.npz"], 2, ["none.onnx", "no such file"]),
        (["clone.onnx", "--data", "none.npz"], 3, ["none.npz"]),
        (["clone.onnx", "--data", "queries.npz", "--limit", "50"], 3, ["clone.onnx", "only 50 of its 50", "least 100"]),
        (["clone.onnx", "--data", "queries.npz", "--classes", "12"], 3, ["answers with 10 classes, not 12"]),
        (["answers.npy", "--data", "queries.npz"], 2, ["--data", "means nothing for saved answers"]),
        (["answers.npy", "--arch", "a:b"], 2, ["--arch", "means nothing for saved answers"]),
        (["queries.npz"], 3, ["has no array answers"]),
        (["owner.key", "--data", "queries.npz"], 3, ["owner.key", "no ONNX model"]),
        ([".", "--data", "queries.npz"], 4, ["manifest.json"]),
    ],
)
def test_what_cannot_be_traced(here: Here, arguments: list[str], code: int, words: list[str]) -> None:
    here("trace", *arguments, "--key", "owner.key").failed(code, *words)


@pytest.mark.usefixtures("at")
def test_keys_that_cannot_be_used(here: Here, tmp_path: Path) -> None:
    here("trace", "answers.npy", "--key", tmp_path / "none.key").failed(2, "none.key", "keygen")
    open_key = tmp_path / "open.key"
    write_key(open_key, KEY)
    open_key.chmod(0o640)
    here("trace", "answers.npy", "--key", open_key).failed(3, "chmod 600")
    assert here("trace", "answers.npy").code == 2


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (np.eye(10)[np.arange(300) % 10], "gives only labels"),
        (np.arange(300), "one number for a query"),
        (np.random.default_rng(0).random((300, 5)), "six classes or more"),
        (np.full((300, 10), np.nan), "NaN or infinity"),
        (np.asfortranarray(np.random.default_rng(0).random((300, 10))), "column by column"),
        (np.zeros((0, 10)), "is empty"),
        (np.array([{}] * 300), "Python objects"),
    ],
)
def test_answers_that_cannot_be_traced(here: Here, tmp_path: Path, answers: np.ndarray[Any, Any], words: str) -> None:
    np.save(tmp_path / "answers.npy", answers, allow_pickle=True)
    here("trace", tmp_path / "answers.npy", "--key", "owner.key").failed(3, "answers.npy", words)


@pytest.mark.usefixtures("at")
def test_a_network_with_two_outputs_is_refused(here: Here, tmp_path: Path) -> None:
    model = clone()
    model.graph.output.append(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["batch", 10]))
    (tmp_path / "two.onnx").write_bytes(model.SerializeToString())
    here("trace", tmp_path / "two.onnx", "--key", "owner.key", "--data", "queries.npz").failed(
        3, "two.onnx", "has 2 outputs (answers, logits)"
    )
