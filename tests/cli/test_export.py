"""``edgeguard export`` as it is called: what it prints, where it writes, what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeguard.artifact import open_artifact
from edgeguard.preprocess import Preprocess
from edgeguard.targets import TARGETS
from tests.artifacts import random_images
from tests.cli.inprocess import Here
from tests.cli.shell import assert_clean_failure, edgeguard
from tests.export.graphs import build, node, random_inputs
from tests.export.requests import write_images
from tests.networks import trained_tiny

USUAL = ("export", "model.onnx", "--int8", "--defend", "--calibration", "images.npz")


def test_the_real_command_line_exports_verifies_and_runs(desk: Path) -> None:
    """The one slow test here: fresh processes, as a user's."""
    done = edgeguard(*USUAL, "--preprocess", "unit")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "model.edgeguard"
    assert "next: edgeguard verify model.edgeguard" in done.stdout
    verified = edgeguard("verify", "model.edgeguard")
    assert verified.returncode == 0, verified.stderr
    assert_clean_failure(edgeguard(*USUAL), 2, "model.edgeguard", "exists already", "--force")


def test_a_person_is_told_what_was_made(desk: Path, here: Here) -> None:
    done = here(*USUAL)
    assert done.code == 0, done.err
    for words in (
        "KiB, 100.0% of multiply-accumulates in integer kernels",
        "calibration: 40 images, min-max; two halves differ by up to",
        "defense: label; placement graph",
        "of 40 calibration images",
        "the defense flips",
    ):
        assert words in done.out
    assert done.err.startswith("loading model.onnx\n")
    assert done.err.endswith("with it codebook would give calibrated confidences too\n")
    assert "warning: no --preprocess was given: pixels go in as 0..1" in done.err
    assert "%" not in done.err.replace("100%", "")


def test_labelled_validation_gives_accuracy(desk: Path, here: Here) -> None:
    write_images(desk / "validation.npz", 30, seed=3, labels=np.arange(30) % 10)
    done = here(*USUAL, "--validation", "validation.npz")
    assert "accuracy: float" in done.out
    assert "of 30 validation images" in done.out
    assert "defense: codebook" in done.out
    assert "answers are labels" not in done.err


def test_json_is_the_manifest_and_the_place(desk: Path, here: Here) -> None:
    done = here(*USUAL, "--json", "--force", "-o", "other.edgeguard")
    content = json.loads(done.out)
    assert content.pop("artifact") == "other.edgeguard"
    assert content == json.loads((desk / "other.edgeguard" / "manifest.json").read_bytes())


def test_the_default_name_is_the_models(desk: Path, here: Here) -> None:
    folder = desk / "nets"
    folder.mkdir()
    (desk / "model.onnx").rename(folder / "v1.2.onnx")
    assert here("export", "nets/v1.2.onnx", "--defend").code == 0
    assert sorted(each.name for each in folder.iterdir()) == ["v1.2.edgeguard", "v1.2.lab", "v1.2.onnx"]


def test_an_existing_artifact_needs_force(desk: Path, here: Here) -> None:
    assert here(*USUAL).code == 0
    before = (desk / "model.edgeguard" / "manifest.json").read_bytes()
    here(*USUAL, "--target", "x86-64").failed(2, "model.edgeguard", "exists already", "--force")
    assert (desk / "model.edgeguard" / "manifest.json").read_bytes() == before
    again = here(*USUAL, "--target", "x86-64", "--force")
    assert again.code == 0
    assert open_artifact(desk / "model.edgeguard").manifest.target == "x86-64"
    assert "reusing it" in again.err


def test_an_output_whose_parent_is_not_there(desk: Path, here: Here) -> None:
    here(*USUAL, "-o", "no/where.edgeguard").failed(2, "no/where.edgeguard", "parent directory")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--keep-float", "conv1"], ["--keep-float", "means nothing without --int8"]),
        (["--head", "int8"], ["--head int8", "means nothing without --int8"]),
        (["--defense-param", "beta=1"], ["--defense-param", "means nothing without --defend"]),
        (["--placement", "host"], ["--placement host", "means nothing without --defend"]),
        (["--defense", "dcp", "--defense-param", "bata=1"], ["no parameter 'bata'", "beta"]),
        (["--defense", "dcp", "--defense-param", "beta=strong"], ["beta must be float"]),
        (["--int8", "--calibration", "images.npz", "--keep-float", "conv7"], ["--keep-float", "no node 'conv7'"]),
        (["--input-shape", "1,16,16"], ["--input-shape", "does not fit"]),
        (["--preprocess", "unit", "--std", "1,2"], ["std has 2 values for 3 channels"]),
        (["--preprocess", "unit", "--layout", "nhwc"], ["16 channels in layout nhwc"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_options_that_contradict_each_other_or_the_network(
    desk: Path, here: Here, arguments: list[str], words: list[str]
) -> None:
    here("export", "model.onnx", *arguments).failed(2, *words)
    assert not list(desk.glob("*.edgeguard"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "rpi9"], ["rpi9", "rpi-zero2w"]),
        (["--defense", "magic"], ["magic", "dcp"]),
        (["--observer", "guess"], ["guess", "min-max"]),
        (["--defense-param", "beta"], ["'beta' is not of the form NAME=VALUE"]),
        (["--input-shape", "3x16x16"], ["'3x16x16' is no list like 1,2,3"]),
        (["--calibration-limit", "0"], ["--calibration-limit"]),
        (["--no-such-option"], ["--no-such-option"]),
        (["surplus"], ["surplus"]),
    ],
    ids=str,
)
def test_words_that_click_does_not_know(desk: Path, here: Here, arguments: list[str], words: list[str]) -> None:
    here("export", "model.onnx", *arguments).failed(2, *words)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.onnx"], 2, ["nowhere.onnx", "no such file"]),
        (["images.npz"], 3, ["images.npz"]),
        (["model.onnx", "--int8"], 3, ["model.onnx", "no calibration images", "--calibration"]),
        (["model.onnx", "--int8", "--calibration", "nowhere"], 3, ["nowhere", "no such file or folder"]),
        (["model.onnx", "--labels", "nowhere.txt"], 3, ["nowhere.txt", "cannot be read"]),
        (["model.onnx", "--labels", "three.txt"], 3, ["--labels", "3 labels for 10 classes"]),
    ],
    ids=str,
)
def test_files_that_do_not_serve(desk: Path, here: Here, arguments: list[str], code: int, words: list[str]) -> None:
    (desk / "three.txt").write_text("a\nb\nc\n")
    here("export", *arguments).failed(code, *words)
    assert not list(desk.glob("*.edgeguard"))


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_target(desk: Path, here: Here, name: str) -> None:
    assert here(*USUAL, "--target", name).code == 0
    assert open_artifact(desk / "model.edgeguard").manifest.target == name


def test_host_placement_warns(desk: Path, here: Here) -> None:
    done = here(*USUAL, "--placement", "host")
    assert done.code == 0
    assert "warning: the model file itself is NOT defended" in done.err
    assert "placement host" in done.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--mean", "0.5"], Preprocess((16, 16), mean=(0.5,))),
        (["--mean", "0.5,0.4,0.3"], Preprocess((16, 16), mean=(0.5, 0.4, 0.3))),
        (["--std", "0.5,0.4,0.3", "--colour", "bgr"], Preprocess((16, 16), colour="bgr", std=(0.5, 0.4, 0.3))),
        (["--preprocess", "raw255", "--resample", "nearest"], Preprocess((16, 16), scale=1.0, resample="nearest")),
        (["--crop", "0.875", "--scale", "0.01"], Preprocess((16, 16), crop=0.875, scale=0.01)),
    ],
    ids=str,
)
def test_preprocessing_is_what_was_said(desk: Path, here: Here, arguments: list[str], expected: Preprocess) -> None:
    done = here(*USUAL, *arguments)
    assert done.code == 0, done.err
    assert "no --preprocess was given" not in done.err
    manifest = open_artifact(desk / "model.edgeguard").manifest
    assert manifest.preprocess == expected
    with np.load(desk / "model.edgeguard" / "golden.npz") as golden:
        known = {each.tobytes() for each in expected(random_images(40))}
        assert {each.tobytes() for each in golden["inputs"]} <= known


def test_a_state_dict_with_its_factory(desk: Path, here: Here) -> None:
    torch.save(trained_tiny().state_dict(), desk / "model.pt")
    shape = ("--input-shape", "3,16,16")
    arguments = ("export", "model.pt", "--int8", "--defend", "--calibration", "images.npz", *shape)
    here(*arguments).failed(2, "model.pt", "weights without the network", "--arch")
    here(*arguments[:-2], "--arch", "tests.networks:tiny").failed(2, "does not say what input", "--input-shape 3,32,32")
    wrong = here(*arguments, "--arch", "tests.networks:tiny", "--arch-arg", "classes=7")
    wrong.failed(3, "dense.weight is [10, 16] in the file and [7, 16] in the network")
    done = here(*arguments, "--arch", "tests.networks:tiny", "--arch-arg", "classes=10")
    assert done.code == 0, done.err
    assert open_artifact(desk / "model.edgeguard").manifest.source.kind == "state-dict"


BLOCKER = "import sys; sys.modules[{name!r}] = None; from edgeguard.cli.main import main; main(sys.argv[1:])"


@pytest.mark.parametrize(("missing", "model"), [("torch", "model.pt"), ("onnx", "model.onnx")])
def test_a_missing_extra_is_one_friendly_line(desk: Path, missing: str, model: str) -> None:
    torch.save({"w": torch.zeros(1)}, desk / "model.pt")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKER.format(name=missing), "export", model, "--int8"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    said = f"error: {missing} is not installed. Install it with: pip install 'edgeguard[export]'"
    assert done.stderr.strip().splitlines()[-1] == said
    assert "Traceback" not in done.stderr


def test_our_own_bugs_are_owned_up_to(desk: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("edgeguard.export.pipeline.export", broken)
    done = here(*USUAL)
    assert done.code == 1
    assert "failed in a way it should not (ZeroDivisionError: oops)" in done.err
    monkeypatch.setenv("EDGEGUARD_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        here(*USUAL)


def test_stopping_it_leaves_nothing(desk: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgeguard.export.pipeline.measure", interrupted)
    done = here(*USUAL)
    assert (done.code, done.out) == (130, "")
    assert done.err.endswith("stopped\n")
    assert sorted(each.name for each in desk.iterdir()) == ["images.npz", "model.onnx"]


def test_help_names_every_option_and_imports_nothing_heavy(here: Here) -> None:
    done = here("export", "--help")
    assert done.code == 0
    for option in ("--int8", "--defend", "--calibration", "--keep-float", "--arch-arg", "--trust-pickle", "--force"):
        assert option in done.out
    code = (
        "import sys\nfrom edgeguard.cli.main import main\n"
        "try:\n    main(['export', '-h'])\nfinally:\n    sys.exit(3 if {'torch', 'onnx'} & set(sys.modules) else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0


def test_a_network_whose_input_is_no_image(desk: Path, here: Here) -> None:
    held = {"w": np.random.default_rng(0).normal(0, 0.5, (49, 5)).astype(np.float32)}
    model = build([node("MatMul", ["x", "w"], "logits")], held, shape=(49,), output_shape=("batch", 5))
    (desk / "model.onnx").write_bytes(model.SerializeToString())
    here("export", "model.onnx", "--preprocess", "unit").failed(2, "--preprocess", "[49] is no image", "Leave it out")
    np.save(desk / "inputs.npy", random_inputs(40, (49,)))
    done = here("export", "model.onnx", "--int8", "--defend", "--calibration", "inputs.npy")
    assert done.code == 0, done.err
    assert "no --preprocess" not in done.err
    assert open_artifact(desk / "model.edgeguard").manifest.preprocess is None
