"""A whole measurement, kept tiny: what it records, and that its derived figures follow from its samples."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from edgeguard.artifact import MANIFEST
from edgeguard.bench import measure as module
from edgeguard.bench.device_kind import DeviceKind
from edgeguard.bench.intervals import log_ratios, ratio_interval
from edgeguard.bench.measure import measure
from edgeguard.bench.messages import CountAnswer
from edgeguard.bench.percentiles import percentile_estimate
from edgeguard.bench.result import Result, read_result, write_result
from edgeguard.bench.settings import Settings
from edgeguard.digests import file_digest
from edgeguard.errors import UsageError
from tests.artifacts import make_artifact

TINY = Settings("quick", processes=3, blocks=5, runs=5, seed=3)


class Recorder:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.seen: list[tuple[int, int]] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    def progress(self, done: int, total: int) -> None:
        self.seen.append((done, total))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("measure"))


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def result(artifact: Path, recorder: Recorder) -> Result:
    return measure(artifact, TINY, recorder)


def pooled(result: Result, name: str) -> list[int]:
    return [value for process in result.processes for block in process.blocks for value in block.samples_ns[name]]


def test_the_artifact_is_identified(result: Result, artifact: Path) -> None:
    assert result.artifact.name == "model.edgeguard"
    assert result.artifact.manifest_sha256 == file_digest(artifact / MANIFEST)
    assert result.artifact.model_sha256 == file_digest(artifact / "model.onnx")
    assert (result.artifact.defense, result.artifact.placement, result.artifact.batch) == ("dcp", "graph", 1)


def test_settings_and_tools_are_recorded(result: Result) -> None:
    assert (result.plan.processes, result.plan.blocks, result.plan.runs, result.plan.seed) == (3, 5, 5, 3)
    assert result.plan.spinning is True
    assert {"edgeguard", "numpy", "onnxruntime", "psutil", "python"} == set(result.tools)


def test_raw_samples_are_kept(result: Result) -> None:
    assert len(result.processes) == 3
    for variant in result.variants:
        assert len(pooled(result, variant.name)) == 3 * 5 * 5
    assert len({process.blocks[0].order for process in result.processes}) > 1


def test_percentiles_follow_from_the_samples_and_stop_at_the_floor(result: Result) -> None:
    assert [entry.name for entry in result.latency] == ["float", "int8", "defended", "control", "end-to-end"]
    for entry in result.latency:
        samples = pooled(result, entry.name)
        assert entry.samples == 75
        assert (entry.p50_ns, entry.p90_ns) == (percentile_estimate(samples, 0.5), percentile_estimate(samples, 0.9))
        assert entry.p50_ns is not None
        assert median(samples) <= entry.p50_ns <= max(samples)
        assert entry.p99_ns is None


def test_ratios_are_paired_within_blocks(result: Result) -> None:
    assert [ratio.name for ratio in result.ratios] == [
        "int8/float",
        "defended/int8",
        "defended/float",
        "control/defended",
    ]
    for ratio in result.ratios:
        logs = [log_ratios(process.blocks, ratio.numerator, ratio.denominator) for process in result.processes]
        assert ratio.interval == ratio_interval(logs, confidence=0.95, seed=3)
    gain, cost, both = (math.log(ratio.interval.estimate) for ratio in result.ratios[:3] if ratio.interval)
    assert both == pytest.approx(gain + cost, abs=0.1)


def test_cold_starts_and_memory_are_apart(result: Result) -> None:
    assert [entry.name for entry in result.cold] == ["float", "int8", "defended", "end-to-end"]
    for entry in result.cold:
        (start,) = entry.starts
        assert start.first_ns > np.median(pooled(result, entry.name))
        assert start.peak_kib >= start.baseline_kib > 0


def test_progress_is_told_to_the_end(result: Result, recorder: Recorder) -> None:
    assert [step.split()[0] for step in recorder.steps] == ["Starting", "Timing"]
    assert recorder.seen == [(1, 4), (2, 4), (3, 4), (4, 4), (1, 3), (2, 3), (3, 3)]


def test_a_real_result_survives_its_file(result: Result, tmp_path: Path) -> None:
    import jsonschema

    from edgeguard.schemas import __file__ as schemas

    path = tmp_path / "result.json"
    path.write_bytes(write_result(result))
    assert read_result(path) == result
    schema = json.loads(Path(schemas).with_name("result.schema.json").read_text())
    jsonschema.validate(json.loads(path.read_bytes()), schema)


def test_counts_are_there_or_their_absence_is_explained(result: Result) -> None:
    assert (result.counts is None) == ("instructions" in result.not_counted)


def test_what_was_asked_for_in_addition_is_in_the_result(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measure(artifact, replace(TINY, sustained_s=5.0, profile=True), Recorder())
    assert found.energy is None
    assert found.sustained is not None
    assert any("without a pause" in sentence for sentence in found.findings)
    assert [profile.name for profile in found.profiles] == ["float", "int8", "defended"]
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(module, "choose_variants", no_time)
    with pytest.raises(UsageError, match="--energy"):
        measure(artifact, replace(TINY, energy=True), Recorder())


def emulated(monkeypatch: pytest.MonkeyPatch, answer: CountAnswer | None) -> None:
    monkeypatch.setattr(module, "device_kind", lambda: DeviceKind("emulated", "the test says so", None))
    if answer is not None:
        monkeypatch.setattr(module, "count", lambda *_: answer)


def no_time(*_: Any, **__: Any) -> Any:
    raise AssertionError("an emulated machine must not be timed")


def test_an_emulated_machine_counts_and_takes_no_time(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("float", "int8", "defended", "control", "end-to-end")
    counts = {name: (1000 + place, 1001 + place, 1002 + place) for place, name in enumerate(names)}
    emulated(monkeypatch, CountAnswer({"instructions": counts}, {"instructions": 1}, {}))
    monkeypatch.setattr(module, "sample", no_time)
    found = measure(artifact, Settings("normal", processes=3), Recorder())
    assert found.device_kind == "emulated"
    assert found.latency == found.ratios == found.processes == ()
    assert [len(entry.starts) for entry in found.cold] == [1, 1, 1, 1]
    assert found.counts is not None
    assert [entry.median_instructions for entry in found.counts.variants] == [1000, 1001, 1002, 1003, 1004]
    assert (found.verdict.status, [reason.code for reason in found.verdict.reasons]) == ("unknown", ["emulated"])
    assert found.findings[0].startswith("This machine is emulated (the test says so)")
    assert not any(word in " ".join(found.findings) for word in ("slower", "faster", "as long as"))


def test_an_emulated_machine_that_refuses_to_count_measured_nothing(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulated(monkeypatch, CountAnswer({}, {}, {"instructions": "the test forbids it"}))
    found = measure(artifact, replace(TINY, profile=True), Recorder())
    assert found.counts is None
    assert found.profiles == ()  # its clock would not follow instructions either
    assert found.not_counted == {"instructions": "the test forbids it"}
    assert found.verdict.status == "invalid"
    assert "the test forbids it" in found.verdict.reasons[1].text


def test_an_emulated_machine_whose_control_differs_is_not_believed(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = dict.fromkeys(("float", "int8", "defended", "end-to-end"), (1000,)) | {"control": (1006,)}
    emulated(monkeypatch, CountAnswer({"instructions": counts}, {"instructions": 0}, {}))
    found = measure(artifact, TINY, Recorder())
    assert [reason.code for reason in found.verdict.reasons] == ["emulated", "aa-differs"]
