"""Comparing two measurements: what alarms, what must not, and what is refused."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.bench.compare import Comparison, compare, outcome, welch_interval
from edgeguard.bench.compare_context import Context
from edgeguard.bench.compare_recording import Quantity, Recording, Series
from edgeguard.bench.compare_result import record_result
from edgeguard.bench.intervals import Interval
from edgeguard.bench.result import Result
from edgeguard.bench.verdict import Reason, Verdict
from edgeguard.errors import InvalidMeasurement, UsageError
from tests.bench.comparable import TIMES, made_up_counts, made_up_measurement

NOTHING = Context({})
SAME = (1.0,) * 5


def recording(**series: tuple[float, ...]) -> Recording:
    found = tuple(Series(name, "time", values) for name, values in series.items())
    return Recording("a.json", "edgeguard", NOTHING, found)


def compared(old: Result, new: Result, **options: Any) -> Comparison:
    return compare(record_result(old, "old.json"), record_result(new, "new.json"), **options)


def outcomes(found: Comparison) -> dict[str, str]:
    return {f"{change.quantity} of {change.name}": change.outcome for change in found.changes}


def test_everything_that_matters_is_compared_once() -> None:
    found = compared(made_up_measurement(1), made_up_measurement(2))
    assert outcomes(found) == dict.fromkeys(
        [
            *(f"time of {name}" for name in ("float", "int8", "defended", "end-to-end")),
            *("ratio of int8/float", "ratio of defended/int8"),
            *(f"memory of {name}" for name in ("float", "int8", "defended", "end-to-end")),
        ],
        "no change",
    )
    assert found.regressions == ()


def test_a_slower_defense_is_a_regression_of_its_time_and_of_its_ratio_and_of_nothing_else() -> None:
    new = made_up_measurement(2, times={**TIMES, "defended": 1.15 * TIMES["defended"]})
    found = compared(made_up_measurement(1), new)
    assert [change.name for change in found.regressions] == ["defended", "defended/int8"]
    for change in found.regressions:
        assert change.ratio == pytest.approx(1.15, abs=0.02)
        assert change.interval is not None
        assert change.interval.low < 1.15 < change.interval.high


def test_what_is_faster_is_an_improvement_and_swapping_the_two_makes_it_a_regression() -> None:
    quick = made_up_measurement(2, times={**TIMES, "end-to-end": 400.0})
    assert outcomes(compared(made_up_measurement(1), quick))["time of end-to-end"] == "improvement"
    assert [change.name for change in compared(quick, made_up_measurement(1)).regressions] == ["end-to-end"]


def test_the_ratio_finds_what_a_machine_that_drifts_hides_from_the_times() -> None:
    new = made_up_measurement(2, shared=0.2, times={**TIMES, "defended": 1.1 * TIMES["defended"]})
    found = outcomes(compared(made_up_measurement(1, shared=0.2), new))
    assert found["ratio of defended/int8"] == "regression"
    assert found["time of defended"] != "regression"


def test_without_int8_the_defense_is_compared_with_float() -> None:
    times = {name: value for name, value in TIMES.items() if name != "int8"}
    found = compared(made_up_measurement(1, times=times), made_up_measurement(2, times=times))
    assert "ratio of defended/float" in outcomes(found)


def test_more_memory_is_a_regression_too() -> None:
    found = compared(made_up_measurement(1), made_up_measurement(2, peak_kib=70000))
    assert {change.quantity for change in found.regressions} == {"memory"}


def test_the_threshold_decides() -> None:
    old, new = (made_up_measurement(seed, times={"float": value}) for seed, value in ((1, 1000.0), (2, 1080.0)))
    assert compared(old, new, threshold=0.05).regressions
    assert not compared(old, new, threshold=0.1).regressions


@pytest.mark.parametrize(
    ("estimate", "low", "high", "expected"),
    [
        (1.06, 1.001, 1.12, "regression"),
        (1.06, 0.999, 1.13, "unclear"),
        (1.04, 1.03, 1.051, "unclear"),
        (1.04, 1.03, 1.049, "no change"),
        (0.94, 0.89, 0.999, "improvement"),
        (0.94, 0.88, 1.001, "unclear"),
        (0.96, 0.951, 0.97, "unclear"),
        (0.96, 0.953, 0.97, "no change"),
        (1.0, 0.9, 1.1, "unclear"),
    ],
)
def test_the_rule(estimate: float, low: float, high: float, expected: str) -> None:
    assert outcome(Interval(estimate, low, high, 0.99), 0.05) == expected


def test_the_interval_is_that_of_the_textbook() -> None:
    """Reference: scipy.stats.ttest_ind(equal_var=False).confidence_interval(0.95), with t of 4 degrees of freedom."""
    old, new = [1.0, 1.1, 1.2, 1.3], [1.5, 1.9, 1.4]
    found = welch_interval(old, new, 0.95)
    assert found is not None
    logs = [[math.log(value) for value in values] for values in (old, new)]
    means = [sum(values) / len(values) for values in logs]
    shares = [
        sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)
        for values, mean in zip(logs, means, strict=True)
    ]
    freedom = sum(shares) ** 2 / (shares[0] ** 2 / 3 + shares[1] ** 2 / 2)
    assert 3 < freedom < 4
    reach = 3.182446 * math.sqrt(sum(shares))  # t(0.975, 3)
    assert math.log(found.estimate) == pytest.approx(means[1] - means[0])
    assert math.log(found.high) == pytest.approx(means[1] - means[0] + reach, rel=1e-5)
    assert math.log(found.low) == pytest.approx(means[1] - means[0] - reach, rel=1e-5)


values = st.lists(st.floats(1e-9, 1e9), min_size=2, max_size=8)


@settings(deadline=None, max_examples=80)
@given(old=values, new=values)
def test_swapping_old_and_new_turns_the_interval_over(old: list[float], new: list[float]) -> None:
    there, back = welch_interval(old, new, 0.9), welch_interval(new, old, 0.9)
    assert there is not None
    assert back is not None
    assert math.log(there.low) == pytest.approx(-math.log(back.high), abs=1e-9)
    assert there.low <= there.estimate <= there.high


def test_counts_that_repeat_exactly_are_compared_exactly() -> None:
    found = welch_interval([100.0] * 3, [106.0] * 3, 0.99)
    assert found is not None
    assert (found.low, found.high) == (found.estimate, found.estimate)
    assert found.estimate == pytest.approx(1.06)


def _normal(rng: random.Random, size: float) -> float:
    return rng.gauss(0, size)


def _slow_at_times(rng: random.Random, size: float) -> float:
    """Every tenth process is far slower."""
    return rng.gauss(0, size / 2) + (3 * size if rng.random() < 0.1 else 0)


def _two_layouts(rng: random.Random, size: float) -> float:
    return rng.gauss(0, size / 5) + rng.choice((0, 2 * size))


@pytest.mark.parametrize("noise", [_normal, _slow_at_times, _two_layouts])
@pytest.mark.parametrize(("processes", "size"), [(5, 0.05), (6, 0.1), (10, 0.02), (10, 0.2)])
def test_equal_things_alarm_in_less_than_one_of_a_hundred_comparisons(
    noise: Callable[[random.Random, float], float], processes: int, size: float
) -> None:
    rng = random.Random(17)

    def measured() -> Recording:
        return recording(
            **{
                name: tuple(math.exp(noise(rng, size)) for _ in range(processes))
                for name in ("float", "int8", "defended", "end_to_end")
            }
        )

    alarms = sum(bool(compare(measured(), measured()).regressions) for _ in range(400))
    # A true 1 % gives 9 or more of 400 in 2 % of runs.
    assert alarms <= 8


def test_a_regression_of_a_tenth_is_found_where_processes_differ_by_two_percent() -> None:
    def found(seed: int) -> bool:
        new = made_up_measurement(1000 + seed, noise=0.02, times={**TIMES, "defended": 1.1 * TIMES["defended"]})
        return bool(compared(made_up_measurement(seed, noise=0.02), new).regressions)

    assert sum(found(seed) for seed in range(20)) >= 19


def test_noise_beyond_the_threshold_is_called_unclear_not_fine() -> None:
    found = compare(recording(x=(1.0, 1.5, 0.8, 1.1, 1.0)), recording(x=(1.3, 1.9, 0.9, 1.2, 1.3)))
    assert outcomes(found) == {"time of x": "unclear"}


def test_few_processes_are_not_judged_and_without_any_other_there_is_no_comparison() -> None:
    """Four that agree perfectly may be of the one kind of two that processes come in."""
    four, five, far = (1.0,) * 4, (1.0,) * 5, (9.0,) * 5
    found = compare(recording(x=four, y=five), recording(x=far, y=five))
    assert outcomes(found) == {"time of x": "too few processes", "time of y": "no change"}
    with pytest.raises(InvalidMeasurement, match="at least 5 processes"):
        compare(recording(x=four), recording(x=far))


def test_what_only_one_of_them_has_is_named() -> None:
    found = compare(recording(x=SAME, y=SAME), recording(y=SAME, z=SAME))
    assert (found.only_old, found.only_new) == (("time of x",), ("time of z",))


def test_nothing_in_common_is_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"nothing in common.*time of x.*time of z"):
        compare(recording(x=SAME), recording(z=SAME))


def test_results_of_different_programs_are_refused() -> None:
    with pytest.raises(UsageError, match=r"written by edgeguard and b\.json by pyperf"):
        compare(recording(x=SAME), replace(recording(x=SAME), where="b.json", kind="pyperf"))


@pytest.mark.parametrize("quantity", ["memory", "count"])
def test_a_benchmark_in_another_unit_is_refused(quantity: Quantity) -> None:
    old, new = (
        Recording("x", "pyperf", NOTHING, (Series("x", what, SAME), Series("y", "time", SAME)))
        for what in ("time", quantity)
    )
    with pytest.raises(UsageError, match="unit of x differs: seconds"):
        compare(old, new)  # type: ignore[arg-type]


def test_an_invalid_result_is_refused_with_its_reasons() -> None:
    verdict = Verdict("invalid", (Reason("busy", "others used half of it", "invalid"),))
    with pytest.raises(InvalidMeasurement, match=r"bad\.json: .*others used half of it"):
        record_result(replace(made_up_measurement(1), verdict=verdict), "bad.json")


def test_on_an_emulated_machine_instructions_are_compared_and_no_times() -> None:
    slower = made_up_counts(2, thousands={**TIMES, "defended": 1.08 * TIMES["defended"]})
    found = compared(made_up_counts(1), slower)
    assert {change.quantity for change in found.changes} == {"instructions", "instruction ratio", "memory"}
    assert [(change.quantity, change.name) for change in found.regressions] == [
        ("instructions", "defended"),
        ("instruction ratio", "defended/int8"),
    ]
    assert found.regressions[0].old == pytest.approx(510_000, rel=0.001)  # the overhead of counting is off
    assert found.regressions[1].ratio == pytest.approx(1.08, rel=0.001)
    assert not compared(made_up_counts(1), made_up_counts(2), threshold=0.002).regressions


def test_a_run_that_did_something_for_the_first_time_is_no_regression() -> None:
    found = compared(made_up_counts(1), made_up_counts(2, first=10_000_000))
    assert found.regressions == ()
    assert "unclear" not in outcomes(found).values()


def test_times_of_an_emulated_machine_are_never_compared() -> None:
    """A file may hold samples although the bench no longer takes any there."""
    emulated = replace(made_up_measurement(1), device_kind="emulated", counts=None)
    assert {change.quantity for change in compared(emulated, emulated).changes} == {"memory"}


def test_instructions_of_an_emulator_are_not_set_against_times_of_a_board() -> None:
    found = compared(made_up_measurement(1), made_up_counts(1), ignored=["device_kind"])
    assert {change.quantity for change in found.changes} == {"memory"}
    assert "time of int8" in found.only_old
    assert "instructions of int8" in found.only_new


def test_a_process_that_lacks_a_variant_does_not_count_for_it() -> None:
    old, new = made_up_measurement(1), made_up_measurement(2)
    first = new.processes[0]
    blocks = tuple(replace(block, samples_ns={"float": block.samples_ns["float"]}) for block in first.blocks)
    broken = replace(new, processes=(replace(first, blocks=blocks), *new.processes[1:]))
    counts = {(one.name, one.quantity): len(one.values) for one in record_result(broken, "x").series}
    assert counts["float", "time"] == 10
    assert counts["int8", "time"] == counts["defended/int8", "ratio"] == 9
    assert not compared(old, broken).regressions


@pytest.mark.parametrize("bad", [(), (0.0,), (-1.0,), (math.inf,), (math.nan,)])
def test_a_series_without_logarithms_cannot_be_made(bad: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Series("x", "time", bad)
