"""Artifacts with a TFLite model: only answers come out, and only of what the manifest describes."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeguard.artifact import open_artifact
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.errors import BadData, BadModel, DeviceError, Untrusted, UsageError
from edgeguard.runtimes import Runtime, load, tflite_probe
from edgeguard.runtimes.litert_session import litert_answerer
from edgeguard.runtimes.loading import load_unprobed
from tests.tflite_artifacts import LOGITS_GRID, PREPROCESS, images, make_tflite_artifact, repack_tflite
from tests.tflite_files import dense_file

PICTURES = images(40, seed=7)
INPUTS = PREPROCESS(PICTURES)
KINDS: list[dict[str, Any]] = [
    {"placement": placement, "quantized": quantized, "batch": batch}
    for placement in ("graph", "host")
    for quantized in (True, False)
    for batch in (1, 3)
]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tflite_artifact(tmp_path_factory.mktemp("tflite"))


@pytest.fixture(scope="module")
def runtime(artifact: Path) -> Runtime:
    return load(artifact)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(str(value) for value in kind.values()))
def test_answers_are_the_defense_of_the_posterior(tmp_path: Path, kind: dict[str, Any]) -> None:
    defense = Defense(Dcp(beta=1.2))
    artifact = make_tflite_artifact(tmp_path, defense=defense if kind["placement"] == "host" else None, **kind)
    plain = litert_answerer(open_artifact(artifact).lab_file("int8.tflite" if kind["quantized"] else "float.tflite"))(
        INPUTS
    )
    answers = load(artifact).answer(INPUTS)
    assert answers.dtype == np.float32
    assert answers.shape == (40, 10)
    if kind["placement"] == "graph":
        np.testing.assert_array_equal(answers, plain)
    else:
        np.testing.assert_allclose(answers, defense.answer(NumpyOps(), Head("posterior", 10), plain), atol=2e-6)
        # the defense does something here, so that the line above says something
        assert np.abs(answers - plain).sum(axis=-1).min() > 0.02


def test_a_label_is_all_that_host_placement_lets_out(runtime: Runtime) -> None:
    answers = runtime.answer(INPUTS)
    exact = litert_answerer(dense_file(LOGITS_GRID))(INPUTS)
    np.testing.assert_array_equal(answers.argmax(axis=-1), exact.argmax(axis=-1))
    assert len(np.unique(answers.argmax(axis=-1))) > 3
    assert len(np.unique(answers)) == 2
    public = {name for name in dir(runtime) if not name.startswith("_")}
    assert public == {"answer", "facts", "manifest", "predict"}


def test_images_of_any_size_go_through_the_manifests_preprocessing(runtime: Runtime) -> None:
    np.testing.assert_array_equal(runtime.predict(PICTURES), runtime.answer(INPUTS))
    mixed = [np.zeros((7, 90, 3), np.uint8), np.full((4, 4), 200, np.uint8), PICTURES[0]]
    np.testing.assert_array_equal(runtime.predict(mixed), runtime.answer(PREPROCESS(mixed)))
    assert runtime.predict([]).shape == runtime.answer(INPUTS[:0]).shape == (0, 10)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_are_refused_before_they_become_integers(runtime: Runtime, value: float) -> None:
    broken = INPUTS.copy()
    broken[1, 2, 2] = value
    with pytest.raises(BadData, match="inputs hold NaN or infinity"):
        runtime.answer(broken)


def test_inputs_beyond_the_grid_are_limited_to_it(tmp_path: Path) -> None:
    runtime = load(make_tflite_artifact(tmp_path, defense=None))
    np.testing.assert_array_equal(runtime.answer(INPUTS * 0 + 9), runtime.answer(INPUTS * 0 + 1))
    assert not np.array_equal(runtime.answer(INPUTS * 0 + 0.5), runtime.answer(INPUTS * 0 + 1))


@pytest.mark.parametrize(
    "inputs", [INPUTS.astype(np.float64), INPUTS[0], INPUTS[..., :2], INPUTS.transpose(0, 3, 1, 2)]
)
def test_other_inputs_than_the_models_are_refused(runtime: Runtime, inputs: Any) -> None:
    with pytest.raises(BadData, match=r"the model takes float32 \[batch, 4, 4, 3\]"):
        runtime.answer(inputs)


def test_facts_say_what_answered_and_how(artifact: Path) -> None:
    expected = {
        "engine": "ai-edge-litert",
        "version": version("ai-edge-litert"),
        "threads": "2",
        "spinning": "not adjustable",
        "kernels": "xnnpack",
    }
    assert load(artifact, threads=2).facts == expected
    with pytest.raises(UsageError, match="at least 1"):
        load(artifact, threads=0)


@pytest.mark.parametrize("exposes", ["output", "signature"])
def test_a_defended_graph_that_exposes_its_logits_is_refused(tmp_path: Path, exposes: Any) -> None:
    artifact = make_tflite_artifact(tmp_path, placement="graph")
    repack_tflite(artifact, model=dense_file(LOGITS_GRID, exposes=exposes))
    with pytest.raises(BadModel, match=r"a defended graph still exposes (logits|out_1 of signature)") as raised:
        load(artifact)
    assert raised.value.where == str(artifact / "model.tflite")


def test_a_defended_graph_that_ends_in_its_logits_is_refused(tmp_path: Path) -> None:
    artifact = make_tflite_artifact(tmp_path, placement="graph")
    with pytest.raises(BadModel, match="still exposes"):
        load(repack_tflite(artifact, manifest=lambda content: content["model"].update(output_name="other")))
    logits = dense_file(LOGITS_GRID, ends="logits")
    named = repack_tflite(
        artifact, model=logits, manifest=lambda content: content["model"].update(output_name="probabilities")
    )
    with pytest.raises(BadModel, match="'probabilities' is int8"):
        load(named)


def test_a_signature_of_the_same_output_is_no_second_one(tmp_path: Path) -> None:
    artifact = make_tflite_artifact(tmp_path, placement="graph")
    assert load(repack_tflite(artifact, model=dense_file(LOGITS_GRID, signed=True))).answer(INPUTS).shape == (40, 10)


def other_grid(content: dict[str, Any]) -> None:
    content["model"]["head"]["zero_point"] = 4


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (lambda content: content["model"].update(input_name="x"), "inputs are 'image:0', the manifest says 'x'"),
        (
            lambda content: content["model"]["head"].update(classes=9),
            r"int8 \[1, 10\], the manifest says int8 \[1, 9\]",
        ),
        (lambda content: content["model"]["head"].update(dtype="uint8"), "the manifest says uint8"),
        (other_grid, "steps of 0.05 around 3, the manifest says 0.05 around 4"),
        (lambda content: content["model"].update(batch=4), r"the manifest says float32 \[4, 4, 4, 3\]|int8 \[4"),
        (lambda content: content["model"].update(batch=None), r"the manifest says int8 \['batch', 4, 4, 3\]"),
        (lambda content: content["preprocess"].update(size=[8, 8]), "prepares images as"),
        (lambda content: content.update(labels=["a", "b"]), "2 labels for 10 classes"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_says_is_refused(tmp_path: Path, manifest: Any, says: str) -> None:
    artifact = repack_tflite(make_tflite_artifact(tmp_path), manifest=manifest)
    with pytest.raises(BadModel, match=says):
        load(artifact)


def test_a_file_that_kills_the_engine_does_not_take_this_process_along(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tflite_probe, "_CHILD", "import os; os.abort()")
    with pytest.raises(BadModel, match=r"kills the interpreter \(SIGABRT\)"):
        load(artifact)
    assert load_unprobed(open_artifact(artifact)).answer(INPUTS).shape == (40, 10)


def test_noise_and_changed_files_are_refused(tmp_path: Path) -> None:
    artifact = make_tflite_artifact(tmp_path)
    (artifact / "model.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(range(200)))
    with pytest.raises(Untrusted):
        load(artifact)
    with pytest.raises(BadModel, match="the interpreter"):
        load(repack_tflite(artifact))


def test_without_an_engine_the_extra_is_named(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(DeviceError, match=r"edgeguard\[litert\]"):
        load_unprobed(open_artifact(artifact))


def test_answering_needs_neither_onnxruntime_nor_torch_and_says_nothing(artifact: Path) -> None:
    code = (
        "import sys, numpy, edgeguard.runtimes\n"
        "runtime = edgeguard.runtimes.load(sys.argv[1])\n"
        "assert runtime.predict([numpy.zeros((40, 30, 3), numpy.uint8)]).shape == (1, 10)\n"
        "assert runtime.facts['kernels'] == 'xnnpack'\n"
        "assert not {'torch', 'onnx', 'onnxruntime', 'flatbuffers'} & set(sys.modules), sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(artifact)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
