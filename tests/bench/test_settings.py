"""From what the user asks to what is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.bench.settings import EFFORTS, Settings, make_count_plan, make_plan
from edgeguard.errors import UsageError


def test_what_the_user_sets_is_taken() -> None:
    plan = make_plan(Settings("quick", threads=2, processes=4, blocks=7, runs=9, seed=5, confidence=0.9), {"a": 1.0})
    assert (plan.threads, plan.processes, plan.blocks, plan.runs) == (2, 4, 7, 9)
    assert (plan.seed, plan.confidence, plan.effort, plan.spinning) == (5, 0.9, "quick", True)


def test_a_quick_model_runs_more_often_than_a_slow_one() -> None:
    quick, slow = (make_plan(Settings(), {"a": ms, "b": 2 * ms}) for ms in (0.1, 50.0))
    assert quick.runs == 30
    assert slow.runs == 3
    assert quick.blocks > slow.blocks


@given(milliseconds=st.floats(0.001, 20), seconds=st.floats(5, 100))
def test_the_time_is_kept(milliseconds: float, seconds: float) -> None:
    plan = make_plan(Settings(seconds=seconds), {"a": milliseconds, "b": milliseconds})
    planned = 2 * milliseconds * (plan.runs + plan.settle) * plan.blocks * plan.processes / 1e3
    least = 2 * milliseconds * (plan.runs + plan.settle) * 4 * plan.processes / 1e3
    assert planned <= max(seconds, least) * 1.0001


def test_more_seconds_are_more_blocks() -> None:
    short, long = (make_plan(Settings(seconds=seconds), {"a": 5.0}) for seconds in (2.0, 8.0))
    assert long.blocks > short.blocks


def test_threads_that_spin_are_given_time_to_sleep() -> None:
    assert make_plan(Settings(threads=1), {"a": 1.0}).pause_ms == 0
    assert make_plan(Settings(threads=2), {"a": 1.0}).pause_ms > 0


def test_an_emulated_machine_only_counts() -> None:
    plan = make_count_plan(Settings("thorough", threads=2, processes=9, seed=4))
    assert (plan.processes, plan.blocks, plan.runs, plan.cold) == (0, 0, 0, 1)
    assert (plan.counted, plan.threads, plan.seed) == (EFFORTS["thorough"].counted, 2, 4)


@pytest.mark.parametrize(("name", "value"), [("processes", 0), ("runs", -1), ("threads", 0), ("counted", -1)])
def test_half_a_plan_is_none(name: str, value: int) -> None:
    plan = make_plan(Settings(), {"a": 1.0})
    with pytest.raises(ValueError, match=name):
        replace(plan, **{name: value})


def test_a_median_of_counts_is_one_of_them() -> None:
    assert all(level.counted % 2 == 1 for level in EFFORTS.values())


def test_efforts_grow() -> None:
    levels = [EFFORTS[name] for name in ("quick", "normal", "thorough")]
    assert [level.processes for level in levels] == sorted({level.processes for level in levels})
    assert [level.counted for level in levels] == sorted({level.counted for level in levels})
    assert [level.seconds for level in levels] == sorted({level.seconds for level in levels})


@pytest.mark.parametrize(
    ("option", "value"),
    [("threads", 0), ("processes", -1), ("blocks", 0), ("runs", 0), ("seconds", 0.0), ("confidence", 1.0)],
)
def test_nonsense_names_the_option(option: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"--{option}"):
        Settings(**{option: value})


@pytest.mark.parametrize("seconds", [0.0, 4.9, -60.0, float("nan")])
def test_a_long_run_must_be_one(seconds: float) -> None:
    with pytest.raises(UsageError, match="--sustained"):
        Settings(sustained_s=seconds)


def test_not_a_number_of_seconds_is_refused() -> None:
    with pytest.raises(UsageError, match="--seconds"):
        Settings(seconds=float("nan"))
