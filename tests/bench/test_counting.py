"""Counting single runs, with a clock of the kernel in the place of a counter that virtual machines do not show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgeguard.artifact import open_artifact
from edgeguard.bench import counting, pmu
from edgeguard.bench.counting import measure_counts
from edgeguard.bench.figures import count_figures
from edgeguard.bench.messages import CountAnswer, CountRequest, Subject
from edgeguard.bench.pmu import Counters
from edgeguard.bench.processes import ask_worker
from edgeguard.bench.timing import Prepared
from edgeguard.bench.variants import Variant, choose_variants
from tests.artifacts import make_artifact


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> tuple[Subject, ...]:
    artifact = open_artifact(make_artifact(tmp_path_factory.mktemp("counting")))
    return choose_variants(artifact, tmp_path_factory.mktemp("scratch")).subjects[:2]


@pytest.fixture
def task_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pmu._CONFIG, "instructions", (1, 1))
    with Counters(["instructions"]) as counters:
        if counters.refused:
            pytest.skip(counters.refused["instructions"])


def request(subjects: tuple[Subject, ...], rounds: int = 3) -> CountRequest:
    names = tuple(subject.name for subject in subjects)
    return CountRequest(subjects, (names, names[::-1])[:rounds] * rounds, ("instructions",), 2, 1)


@pytest.mark.usefixtures("task_clock")
def test_every_round_counts_one_run_of_each(subjects: tuple[Subject, ...]) -> None:
    asked = request(subjects)
    answer = measure_counts(asked)
    assert answer.refused == {}
    counts = answer.counts["instructions"]
    assert list(counts) == ["float", "int8"]
    for values in counts.values():
        assert len(values) == len(asked.orders)
        assert min(values) > answer.overhead["instructions"] > 0


def test_runs_are_interleaved_and_inputs_go_round(
    subjects: tuple[Subject, ...], monkeypatch: pytest.MonkeyPatch, task_clock: None
) -> None:
    seen: list[str] = []

    def prepared(subject: Subject, **_: Any) -> Prepared:
        return Prepared(lambda feed: seen.append(f"{subject.name}{feed}"), [0, 1])

    monkeypatch.setattr(counting, "prepare", prepared)
    measure_counts(replace(request(subjects), orders=(("float", "int8"), ("int8", "float"), ("float", "int8"))))
    assert seen == ["float0", "float1", "int80", "int81", "float0", "int80", "int81", "float1", "float0", "int80"]


def test_a_counter_that_others_used_too_gives_no_counts(
    subjects: tuple[Subject, ...], monkeypatch: pytest.MonkeyPatch, task_clock: None
) -> None:
    monkeypatch.setattr(pmu.Counter, "whole", lambda _: False)
    answer = measure_counts(request(subjects))
    assert (answer.counts, answer.overhead) == ({}, {})
    assert "other programs" in answer.refused["instructions"]


def test_a_real_worker_counts_or_says_why_not(subjects: tuple[Subject, ...]) -> None:
    answer = ask_worker(request(subjects), timeout=60)
    assert ("instructions" in answer.counts) != ("instructions" in answer.refused)


VARIANTS = [Variant(name, "model", "f", "0" * 64) for name in ("float", "int8", "defended", "control")]
COUNTS = {"float": (1100, 1101, 1900), "int8": (600, 602, 601), "defended": (701, 700, 702), "control": (702,) * 3}


def test_medians_are_free_of_the_overhead_and_ratios_follow_from_them() -> None:
    found = count_figures(CountAnswer({"instructions": COUNTS}, {"instructions": 101}, {"cycles": "none"}), VARIANTS)
    assert found is not None
    assert [(entry.name, entry.median_instructions) for entry in found.variants] == [
        ("float", 1000),
        ("int8", 500),
        ("defended", 600),
        ("control", 601),
    ]
    assert found.variants[0].instructions == (1100, 1101, 1900)
    assert {(entry.cycles, entry.median_cycles) for entry in found.variants} == {((), None)}
    assert [(entry.name, entry.ratio) for entry in found.ratios] == [
        ("int8/float", 0.5),
        ("defended/int8", 1.2),
        ("defended/float", 0.6),
        ("control/defended", 601 / 600),
    ]


def test_cycles_come_along_where_there_are_any() -> None:
    answer = CountAnswer({"instructions": COUNTS, "cycles": COUNTS}, {"instructions": 0, "cycles": 1}, {})
    found = count_figures(answer, VARIANTS)
    assert found is not None
    assert found.variants[0].median_cycles == 1100


def test_cycles_alone_are_no_counts() -> None:
    assert count_figures(CountAnswer({"cycles": COUNTS}, {"cycles": 1}, {"instructions": "none"}), VARIANTS) is None
