"""Running without a pause: a record each moment, and what the machine said meanwhile."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from edgeguard.artifact import open_artifact
from edgeguard.bench.demand_messages import SustainRequest
from edgeguard.bench.subject import Subject
from edgeguard.bench.sustaining import measure_sustained
from edgeguard.bench.variants import choose_variants
from tests.artifacts import make_artifact
from tests.bench.firmware import fake_vcgencmd
from tests.bench.machines import put

FREQUENCY = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
HEAT = "sys/class/thermal/thermal_zone0/temp"


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    artifact = open_artifact(make_artifact(tmp_path_factory.mktemp("sustaining")))
    return choose_variants(artifact, tmp_path_factory.mktemp("scratch")).subjects[1]


def request(subject: Subject, seconds: float) -> SustainRequest:
    return SustainRequest(subject, seconds, 0.2, 1.0, 1, True)


def test_each_moment_has_its_runs_and_time_passes(subject: Subject, tmp_path: Path) -> None:
    moments = measure_sustained(request(subject, 1.0), tmp_path).moments
    assert 2 <= len(moments) <= 5
    assert all(moment.runs > 10 and 0 < moment.median_ns <= moment.worst_ns for moment in moments)
    ends = [0.0, *(moment.elapsed_s for moment in moments)]
    assert all(late - early > 0.19 for early, late in pairwise(ends))
    assert ends[-1] <= 1.2
    for moment, start in zip(moments, ends, strict=False):
        assert moment.runs * moment.median_ns / 1e9 < 1.5 * (moment.elapsed_s - start)


def test_a_time_shorter_than_a_moment_is_one_moment(subject: Subject, tmp_path: Path) -> None:
    assert len(measure_sustained(request(subject, 0.01), tmp_path).moments) == 1


def test_what_cannot_be_read_is_unknown(subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_vcgencmd(tmp_path / "bin", monkeypatch, throttled="VCHI initialization failed")
    (moment, *_) = measure_sustained(request(subject, 0.2), tmp_path).moments
    assert (moment.frequency_khz, moment.temperature_c, moment.throttled) == (None, None, None)


@pytest.mark.serial
def test_the_machine_is_watched_while_it_runs(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was throttled once before; after half a second it gets hot, and is throttled until the end."""
    answers = fake_vcgencmd(tmp_path / "bin", monkeypatch, throttled="throttled=0x40000")
    put(tmp_path, {FREQUENCY: "2400000\n", HEAT: "61500\n"})

    def heat_up() -> None:
        time.sleep(0.5)
        put(tmp_path, {FREQUENCY: "1500000\n", HEAT: "85000\n"})
        (answers / "get_throttled").write_text("throttled=0x40004\n")

    thread = threading.Thread(target=heat_up)
    thread.start()
    moments = measure_sustained(request(subject, 2.0), tmp_path).moments
    thread.join()
    first, last = moments[0], moments[-1]
    assert (first.frequency_khz, first.temperature_c, first.throttled) == (2_400_000, 61.5, ())
    assert (last.frequency_khz, last.temperature_c, last.throttled) == (1_500_000, 85.0, ("throttled",))


@pytest.mark.serial
def test_what_came_and_went_between_two_readings_is_told_once(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = fake_vcgencmd(tmp_path / "bin", monkeypatch)

    def sag() -> None:
        time.sleep(0.5)
        (answers / "get_throttled").write_text("throttled=0x10000\n")

    thread = threading.Thread(target=sag)
    thread.start()
    moments = measure_sustained(request(subject, 2.0), tmp_path).moments
    thread.join()
    assert [moment.throttled for moment in moments if moment.throttled] == [("under-voltage",)]
