"""The interval of a ratio: its coverage under noise of known size, and what must not move it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.bench.intervals import Interval, log_ratios, ratio_interval, trimmed_mean
from edgeguard.bench.messages import Block

Array = np.ndarray[Any, Any]


def interval(processes: list[Array], **options: Any) -> Interval:
    found = ratio_interval(processes, **options)
    assert found is not None
    return found


def misses(count: int, processes: int, between: float, within: float, *, heavy: bool = False) -> int:
    """How many of ``count`` intervals miss the truth, 1; ``between`` and ``within`` are standard deviations."""
    rng = np.random.default_rng(7)
    missed = 0
    for number in range(count):
        noise = rng.standard_t(3, (processes, 20)) if heavy else rng.normal(size=(processes, 20))
        data = rng.normal(0, between, (processes, 1)) + within * noise
        missed += interval(list(data), seed=number, resamples=200).excludes_one
    return missed


@pytest.mark.parametrize("processes", [5, 10])
def test_coverage_is_exact_where_processes_differ(processes: int) -> None:
    # 5 % of 1000, give or take three standard deviations; a percentile bootstrap misses 170 of them with 5 processes
    assert 29 <= misses(1000, processes, between=0.01, within=0.005) <= 71


@pytest.mark.parametrize("heavy", [False, True])
def test_coverage_errs_on_the_wide_side_where_only_blocks_differ(heavy: bool) -> None:
    assert misses(600, 6, between=0.0, within=0.01, heavy=heavy) <= 30


def test_a_difference_of_four_standard_errors_is_found() -> None:
    rng = np.random.default_rng(3)
    found = 0
    for number in range(200):
        data = 0.02 + rng.normal(0, 0.01, (10, 1)) + rng.normal(0, 0.01, (10, 20))
        found += interval(list(data), seed=number, resamples=200).excludes_one
    assert found >= 190


def test_processes_that_agree_by_luck_are_no_surer_than_their_blocks() -> None:
    half = np.linspace(0, 0.1, 10)
    blocks = np.concatenate([half, -half])
    found = interval([blocks, blocks.copy(), blocks.copy()])
    # processes alone would give an interval of no width at all
    assert found.estimate == pytest.approx(1)
    assert math.log(found.high) > 0.02


processes_of_blocks = st.lists(st.lists(st.floats(-1, 1), min_size=6, max_size=6).map(np.array), min_size=3, max_size=6)


@settings(deadline=None, max_examples=50)
@given(processes=processes_of_blocks, shift=st.floats(-0.5, 0.5))
def test_a_common_factor_multiplies_the_interval(processes: list[Array], shift: float) -> None:
    plain = interval(processes, resamples=50)
    moved = interval([values + shift for values in processes], resamples=50)
    for name in ("estimate", "low", "high"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name) * math.exp(shift), rel=1e-9)


@settings(deadline=None, max_examples=50)
@given(processes=processes_of_blocks)
def test_the_interval_holds_its_estimate_and_grows_with_confidence(processes: list[Array]) -> None:
    narrow = interval(processes, confidence=0.9, resamples=50)
    wide = interval(processes, confidence=0.99, resamples=50)
    assert wide.low <= narrow.low <= narrow.estimate <= narrow.high <= wide.high


def test_equal_data_give_an_equal_interval_and_another_seed_another() -> None:
    data = list(np.random.default_rng(0).normal(0, 0.01, (2, 20)))
    data = [data[0], data[0] + 1e-9]
    assert interval(data, seed=1) == interval(data, seed=1)
    assert interval(data, seed=1) != interval(data, seed=2)


def test_one_process_gives_no_interval() -> None:
    assert ratio_interval([np.zeros(20)]) is None


def test_a_quarter_of_spoilt_blocks_changes_nothing() -> None:
    values = np.full(20, 0.01)
    values[3:8] = 5.0
    assert trimmed_mean(values) == pytest.approx(0.01)
    values[3:10] = 5.0
    assert trimmed_mean(values) > 0.1


def test_log_ratios_pair_within_a_block() -> None:
    blocks = [
        Block(("a", "b"), {"a": (100, 110, 900), "b": (55, 50, 60)}),
        Block(("b", "a"), {"a": (300,), "b": (100,)}),
    ]
    assert log_ratios(blocks, "a", "b").tolist() == pytest.approx([math.log(2), math.log(3)])
    assert log_ratios(blocks, "b", "a").tolist() == pytest.approx([-math.log(2), -math.log(3)])


def test_a_clock_too_coarse_to_see_a_run_ends_in_a_number() -> None:
    assert log_ratios([Block(("a", "b"), {"a": (0,), "b": (1,)})], "a", "b").tolist() == [0.0]
