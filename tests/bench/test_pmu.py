"""Counters of the kernel: real ones, though not those of the CPU, which a virtual machine seldom shows."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from edgeguard.bench import pmu
from edgeguard.bench.pmu import Counter, Counters, explain, open_counter
from tests.bench.machines import put

PARANOID = "proc/sys/kernel/perf_event_paranoid"


@pytest.fixture
def task_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nanoseconds of CPU time in place of instructions: PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK."""
    monkeypatch.setitem(pmu._CONFIG, "instructions", (1, 1))
    with Counters(["instructions"]) as counters:
        if counters.refused:
            pytest.skip(counters.refused["instructions"])


def work() -> None:
    sum(number * number for number in range(300_000))


@pytest.mark.usefixtures("task_clock")
def test_a_count_grows_with_the_work_of_this_thread_and_of_later_ones() -> None:
    counter = open_counter("instructions")
    before = counter.read()
    work()
    alone = counter.read() - before
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    both = counter.read() - before
    counter.close()
    assert alone > 1_000_000
    assert both > 1.5 * alone


@pytest.mark.usefixtures("task_clock")
def test_what_was_granted_is_open_until_the_end_and_what_was_not_has_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(pmu._CONFIG, "cycles", (1, 999))  # no kernel knows it
    with Counters(["instructions", "cycles"]) as counters:
        assert list(counters.open) == ["instructions"]
        assert list(counters.refused) == ["cycles"]
        counter = counters.open["instructions"]
        work()
        assert counter.whole()
    with pytest.raises(OSError, match="Bad file descriptor"):
        counter.read()


def test_a_counter_that_was_lent_to_others_is_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "counter"
    for running, whole in ((1000, True), (900, False)):
        path.write_bytes(b"".join(value.to_bytes(8, "little") for value in (5, 1000, running)))
        with path.open("rb") as stream:
            assert Counter(stream.fileno()).whole() is whole


def test_the_cpus_own_counters_are_open_or_explained() -> None:
    with Counters(["instructions", "cycles"]) as counters:
        assert {*counters.open, *counters.refused} == {"instructions", "cycles"}
        assert all(len(reason) > 20 for reason in counters.refused.values())


def test_an_unknown_kind_of_machine_has_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pmu.platform, "machine", lambda: "vax")
    with Counters(["cycles"]) as counters:
        assert "perf_event_open" in counters.refused["cycles"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_setting_that_forbids_it_is_named_with_its_remedy(tmp_path: Path, code: int) -> None:
    reason = explain(code, put(tmp_path, {PARANOID: "3\n"}))
    assert "perf_event_paranoid is 3" in reason
    assert "sudo sysctl kernel.perf_event_paranoid=2" in reason


@pytest.mark.parametrize("files", [{PARANOID: "2\n"}, {}])
def test_a_setting_that_does_not_forbid_it_is_not_blamed(tmp_path: Path, files: dict[str, str]) -> None:
    reason = explain(errno.EPERM, put(tmp_path, files))
    assert "seccomp" in reason
    assert "sysctl" not in reason


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOENT, "no such counter"), (errno.ENOSYS, "kernel"), (errno.EMFILE, "Too many open files")],
)
def test_other_refusals_say_what_is_missing(code: int, words: str) -> None:
    assert words in explain(code)
