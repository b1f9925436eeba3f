"""Each reason for which a measurement is not believed, and a clean one that is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgeguard.bench.host_state import HostState
from edgeguard.bench.intervals import Interval
from edgeguard.bench.messages import Window
from edgeguard.bench.throttled import Throttled, decode_throttled
from edgeguard.bench.verdict import Evidence, busy_share, judge, judge_counts

STATE = HostState(
    governor=("performance",),
    frequency_khz=(1500000,),
    throttled=Throttled("vcgencmd", "0x0", (), ()),
    temperature_c=50.0,
    load=0.1,
    memory_available_kib=1 << 20,
    swap_used_kib=0,
    pressure={},
)
WINDOW = Window(
    seconds=1.0,
    others_seconds=0.0,
    steal_seconds=0.0,
    waited_seconds=0.0,
    cpus=4,
    frequency_khz=(1500000, 1500000),
)
CLEAN = Evidence(
    kind="board",
    before=STATE,
    after=STATE,
    windows=[WINDOW] * 5,
    samples={"float": 700, "defended": 700},
    control=Interval(1.0, 0.999, 1.001, 0.95),
)


def codes(**changes: Any) -> dict[str, str]:
    verdict = judge(replace(CLEAN, **changes))
    found = {reason.code: reason.status for reason in verdict.reasons}
    worst = "invalid" if "invalid" in found.values() else "unknown" if found else "valid"
    assert verdict.status == worst
    return dict(found)


def throttled(text: str) -> HostState:
    return replace(STATE, throttled=decode_throttled(text))


def windows(**changes: Any) -> list[Window]:
    return [*[WINDOW] * 4, replace(WINDOW, **changes)]


def test_a_clean_measurement_is_valid() -> None:
    assert codes() == {}


@pytest.mark.parametrize(("others", "steal"), [(2.1, 0.0), (0.0, 2.1), (1.0, 1.1)])
def test_busy(others: float, steal: float) -> None:
    # 20 CPU seconds in all, of which a tenth may go elsewhere
    assert codes(windows=windows(others_seconds=others, steal_seconds=steal)) == {"busy": "invalid"}
    assert codes(windows=windows(others_seconds=others * 0.9, steal_seconds=steal * 0.9)) == {}
    assert busy_share(windows(others_seconds=others, steal_seconds=steal)) == pytest.approx(0.105)


def test_frequency_moved() -> None:
    assert codes(windows=windows(frequency_khz=(1500000, 1400000))) == {"frequency-moved": "invalid"}
    assert codes(windows=windows(frequency_khz=(1500000, 1450000))) == {}


def test_frequency_unknown_is_not_moved() -> None:
    assert codes(windows=[replace(WINDOW, frequency_khz=())] * 5) == {"frequency-unknown": "unknown"}


@pytest.mark.parametrize(
    ("before", "after"),
    [("0x0", "0x50005"), ("0x4", "0x40000"), ("0x0", "0x10000"), ("0x10000", "0x80000"), ("0x50000", "0x50002")],
)
def test_throttled(before: str, after: str) -> None:
    states = {"before": throttled(f"throttled={before}"), "after": throttled(f"throttled={after}")}
    assert codes(**states) == {"throttled": "invalid"}


def test_what_happened_before_the_measurement_is_forgiven() -> None:
    assert codes(before=throttled("throttled=0x50000"), after=throttled("throttled=0x50000")) == {}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_board_that_does_not_say_is_unknown_but_a_host_need_not(when: str) -> None:
    silent = {when: replace(STATE, throttled=None)}
    assert codes(**silent) == {"throttling-unknown": "unknown"}
    assert codes(kind="host", **silent) == {}


@pytest.mark.parametrize(("low", "high"), [(1.006, 1.02), (0.98, 0.994)])
def test_the_control_differs(low: float, high: float) -> None:
    assert codes(control=Interval((low + high) / 2, low, high, 0.95)) == {"aa-differs": "invalid"}


@pytest.mark.parametrize(("low", "high"), [(1.004, 1.02), (0.98, 0.996), (0.9, 1.1)])
def test_the_control_differs_by_nothing_that_matters(low: float, high: float) -> None:
    assert codes(control=Interval(1.0, low, high, 0.95)) == {}


def test_few_samples_names_the_variant() -> None:
    assert codes(samples={"float": 63, "int8": 64}) == {"few-samples": "invalid"}
    assert codes(samples={"float": 64, "int8": 64}) == {}
    assert "float has 63" in judge(replace(CLEAN, samples={"float": 63, "int8": 64})).reasons[0].text


def test_few_processes() -> None:
    assert codes(windows=[WINDOW] * 2) == {"few-processes": "invalid"}
    assert codes(windows=[WINDOW] * 3) == {}


@pytest.mark.parametrize("control", [1.0, 1.0049, 0.9951, None])
def test_an_emulator_that_counts_leaves_it_open(control: float | None) -> None:
    verdict = judge_counts(control, None)
    assert verdict.status == "unknown"
    assert [reason.code for reason in verdict.reasons] == ["emulated"]


@pytest.mark.parametrize("control", [1.0051, 0.9949])
def test_instructions_that_differ_without_a_cause_are_invalid(control: float) -> None:
    verdict = judge_counts(control, None)
    assert verdict.status == "invalid"
    assert [reason.code for reason in verdict.reasons] == ["emulated", "aa-differs"]


def test_an_emulator_that_does_not_count_measured_nothing() -> None:
    verdict = judge_counts(None, "there is no counter")
    assert verdict.status == "invalid"
    assert [reason.code for reason in verdict.reasons] == ["emulated", "not-counted"]
    assert "there is no counter" in verdict.reasons[1].text


def test_no_reason_hides_another() -> None:
    found = codes(
        windows=[replace(WINDOW, others_seconds=4.0, frequency_khz=())] * 2,
        after=throttled("throttled=0x1"),
        samples={"float": 1},
        control=Interval(2.0, 1.9, 2.1, 0.95),
    )
    assert found == {
        "few-samples": "invalid",
        "few-processes": "invalid",
        "busy": "invalid",
        "frequency-unknown": "unknown",
        "throttled": "invalid",
        "aa-differs": "invalid",
    }
