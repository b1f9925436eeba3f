"""TFLite artifacts through the same bench: what is timed, by which engine, and what LiteRT cannot tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeguard.artifact import lab_directory, open_artifact
from edgeguard.bench.demand_messages import ProfileRequest
from edgeguard.bench.measure import measure
from edgeguard.bench.messages import ColdRequest, DescribeRequest, Subject
from edgeguard.bench.on_demand import refuse_impossible
from edgeguard.bench.processes import ask_worker
from edgeguard.bench.result import Result, parse_result, write_result
from edgeguard.bench.sampling import with_engines
from edgeguard.bench.settings import Settings
from edgeguard.bench.timing import prepare
from edgeguard.bench.variants import Variants, choose_variants
from edgeguard.cli.bench_report import print_report
from edgeguard.errors import BadModel, UsageError
from edgeguard.runtimes import load
from tests.bench.test_measure import Recorder
from tests.tflite_artifacts import make_tflite_artifact
from tests.tflite_files import dense_file

NAMES = ["float", "int8", "defended", "control", "end-to-end"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tflite_artifact(tmp_path_factory.mktemp("tflite"))


@pytest.fixture(scope="module")
def variants(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Variants:
    return choose_variants(open_artifact(artifact), tmp_path_factory.mktemp("scratch"))


@pytest.fixture(scope="module")
def subjects(variants: Variants) -> dict[str, Subject]:
    return {subject.name: subject for subject in variants.subjects}


@pytest.fixture(scope="module")
def result(artifact: Path) -> Result:
    return measure(artifact, Settings("quick", processes=3, blocks=3, runs=3), Recorder())


def test_the_same_variants_as_of_an_onnx_artifact(artifact: Path, variants: Variants) -> None:
    assert [variant.name for variant in variants.timed] == [subject.name for subject in variants.subjects] == NAMES
    assert (
        {variant.format for variant in variants.timed}
        == {subject.format for subject in variants.subjects}
        == {"tflite"}
    )
    assert [variant.file for variant in variants.timed] == ["float.tflite", "int8.tflite", *["model.tflite"] * 3]
    assert [subject.how for subject in variants.subjects] == ["session", "session", "host", "host", "runtime"]
    assert variants.subjects[0].path == str(lab_directory(artifact) / "float.tflite")


@pytest.mark.parametrize("name", ["defended", "int8", "float"])
def test_what_is_timed_gives_the_artifacts_answers(artifact: Path, subjects: dict[str, Subject], name: str) -> None:
    prepared = prepare(subjects[name], threads=1, spinning=True)
    inputs = np.load(subjects[name].inputs)
    dtype = np.float32 if name == "float" else np.int8
    assert {feed.dtype for feed in prepared.feeds} == {np.dtype(dtype)}
    expected = load(artifact).answer(inputs[0])
    found = prepared.call(prepared.feeds[0])
    assert found.argmax() == expected.argmax()
    if name == "defended":
        assert np.array_equal(found, expected)
    else:
        assert found.sum() == pytest.approx(1, abs=1e-5)


def test_end_to_end_goes_from_pixels_to_the_answer(artifact: Path, subjects: dict[str, Subject]) -> None:
    whole = prepare(subjects["end-to-end"], threads=1, spinning=True)
    images = np.load(subjects["end-to-end"].inputs)
    assert np.array_equal(whole.call(whole.feeds[1]), load(artifact).predict([images[1]]))


def test_a_cold_start_imports_no_other_engine_and_tries_nothing_elsewhere(subjects: dict[str, Subject]) -> None:
    answer = ask_worker(ColdRequest(subjects["end-to-end"], 3, 1000.0, 1, True), timeout=60)
    # Another process alone would take a fifth of a second.
    assert 0 < answer.load_ns < 150_000_000
    assert answer.baseline_kib <= answer.peak_kib < answer.baseline_kib + 30_000


def test_each_variant_is_told_its_engine_and_kernels(variants: Variants) -> None:
    told = with_engines(variants, threads=1).timed
    assert {(variant.engine, variant.kernels) for variant in told} == {("ai-edge-litert", "xnnpack")}
    assert [variant.name for variant in told] == NAMES


def test_kernels_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "top.tflite").write_bytes(dense_file(ends="top"))
    (found,) = ask_worker(DescribeRequest((str(tmp_path / "top.tflite"),), 1), timeout=60).found
    assert (found.engine, found.kernels) == ("ai-edge-litert", "xnnpack, builtin")


def test_a_file_of_another_batch_is_refused(tmp_path: Path, variants: Variants) -> None:
    (tmp_path / "three.tflite").write_bytes(dense_file(batch=3))
    other = Subject("x", str(tmp_path / "three.tflite"), "session", variants.subjects[0].inputs, format="tflite")
    with pytest.raises(BadModel, match="takes 3 inputs at once, not 1"):
        prepare(other, threads=1, spinning=True)


def test_a_file_that_kills_its_engine_costs_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ai_edge_litert"
    package.mkdir()
    (package / "__init__.py").write_text("import os; os.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(BadModel, match=r"kills the process that runs it \(SIGABRT\)") as raised:
        ask_worker(DescribeRequest(("a.tflite",), 1), timeout=60)
    assert raised.value.where == "a.tflite"


def test_a_whole_measurement(result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    assert [variant.name for variant in result.variants] == NAMES
    assert {(variant.format, variant.engine, variant.kernels) for variant in result.variants} == {
        ("tflite", "ai-edge-litert", "xnnpack")
    }
    assert {"ai-edge-litert", "edgeguard", "numpy", "psutil", "python"} == set(result.tools)
    assert [ratio.name for ratio in result.ratios] == [
        "int8/float",
        "defended/int8",
        "defended/float",
        "control/defended",
    ]
    assert parse_result(write_result(result), "here") == result
    print_report(result)
    assert "kernels of LiteRT that ran: float xnnpack" in capsys.readouterr().out


def test_operators_cannot_be_timed(subjects: dict[str, Subject]) -> None:
    said: dict[str, Any] = {"match": "timed by ONNX Runtime's profiler"}
    with pytest.raises(UsageError, **said) as raised:
        refuse_impossible(Settings(profile=True), "board", "tflite")
    assert raised.value.where == "--profile"
    with pytest.raises(UsageError, **said):
        ask_worker(ProfileRequest(subjects["int8"], 1, 1, 1), timeout=60)
