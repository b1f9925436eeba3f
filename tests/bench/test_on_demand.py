"""What is measured only when asked for, in real workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeguard.artifact import open_artifact
from edgeguard.bench import on_demand
from edgeguard.bench.demand_messages import EnergyRequest
from edgeguard.bench.on_demand import Demanded, refuse_impossible, take_demanded
from edgeguard.bench.processes import ask_worker
from edgeguard.bench.settings import EFFORTS, Settings, make_count_plan, make_plan
from edgeguard.bench.subject import Subject
from edgeguard.bench.variants import choose_variants
from edgeguard.errors import DeviceError, UsageError
from tests.artifacts import make_artifact
from tests.bench.firmware import PI5_WATTS, fake_vcgencmd

PLAN = make_plan(Settings("quick"), {"a": 1.0})


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
def subjects(tmp_path_factory: pytest.TempPathFactory) -> tuple[Subject, ...]:
    artifact = open_artifact(make_artifact(tmp_path_factory.mktemp("demand")))
    return choose_variants(artifact, tmp_path_factory.mktemp("scratch")).subjects


def test_nothing_is_done_that_was_not_asked_for(subjects: tuple[Subject, ...]) -> None:
    recorder = Recorder()
    assert take_demanded(subjects, "defended", Settings(), PLAN, "host", recorder) == Demanded(None, (), None)
    assert recorder.steps == []


def test_the_deployed_variant_runs_for_as_long_as_asked(subjects: tuple[Subject, ...]) -> None:
    recorder = Recorder()
    found = take_demanded(subjects, "defended", Settings(sustained_s=5.0), PLAN, "host", recorder).sustained
    assert found is not None
    assert found.name == "defended"
    assert 4 <= len(found.moments) <= 5
    assert found.moments[-1].elapsed_s == pytest.approx(5, abs=1)
    assert recorder.steps == ["Running defended for 5 s without a pause"]
    assert recorder.seen[-1] == (5, 5)
    assert len(recorder.seen) >= 4


def test_every_model_is_profiled_and_on_an_emulated_machine_without_times(subjects: tuple[Subject, ...]) -> None:
    found = take_demanded(subjects, "defended", Settings(profile=True), PLAN, "board", Recorder()).profiles
    assert [profile.name for profile in found] == ["float", "int8", "defended"]
    assert all(node.median_us is not None for profile in found for node in profile.nodes)
    plan = make_count_plan(Settings())
    shares = take_demanded(subjects[:1], "float", Settings(profile=True), plan, "emulated", Recorder()).profiles
    assert [node.op for node in shares[0].nodes] == [node.op for node in found[0].nodes]
    assert {node.median_us for node in shares[0].nodes} == {None}
    assert sum(node.share for node in shares[0].nodes) == pytest.approx(1)


def test_power_is_read_idle_and_of_every_model(
    subjects: tuple[Subject, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_vcgencmd(tmp_path / "bin", monkeypatch)
    monkeypatch.setitem(EFFORTS, "quick", replace(EFFORTS["quick"], power_s=1.2))
    monkeypatch.setattr(on_demand, "_SETTLE_S", 0.05)
    found = take_demanded(subjects, "defended", Settings(energy=True), PLAN, "board", Recorder()).energy
    assert found is not None
    assert [entry.name for entry in found.variants] == ["float", "int8", "defended"]
    for readings in (found.idle_watts, *(entry.watts for entry in found.variants)):
        assert len(readings) >= 2
        assert readings == pytest.approx([PI5_WATTS] * len(readings))
    for entry in found.variants:
        assert entry.runs > 100
        assert entry.joules == pytest.approx(PI5_WATTS * entry.seconds / entry.runs)
        assert entry.joules_above_idle == pytest.approx(0, abs=1e-12)


def test_a_sensor_that_fails_meanwhile_ends_the_measurement(
    subjects: tuple[Subject, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_vcgencmd(tmp_path / "bin", monkeypatch, rails="VCHI initialization failed")
    with pytest.raises(DeviceError, match="VCHI initialization failed"):
        ask_worker(EnergyRequest(subjects[0], 0.3, 0.0, 0.1, 1, True), timeout=60)


def test_power_that_cannot_be_read_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_vcgencmd(tmp_path / "bin", monkeypatch, rails='error=1 error_msg="Command not registered"')
    with pytest.raises(UsageError, match="Command not registered"):
        refuse_impossible(Settings(energy=True), "board", "onnx")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no command vcgencmd"):
        refuse_impossible(Settings(energy=True), "board", "onnx")
    refuse_impossible(Settings(sustained_s=5.0, profile=True), "board", "onnx")


@pytest.mark.parametrize(
    ("settings", "option"), [(Settings(sustained_s=9.0), "--sustained"), (Settings(energy=True), "--energy")]
)
def test_an_emulated_machine_keeps_no_pace_and_draws_no_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, option: str
) -> None:
    fake_vcgencmd(tmp_path / "bin", monkeypatch)
    with pytest.raises(UsageError, match=f"{option}: an emulated machine"):
        refuse_impossible(settings, "emulated", "onnx")
    refuse_impossible(Settings(profile=True), "emulated", "onnx")
