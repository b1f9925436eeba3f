"""LoadGen's bound: its floors, its definition in exact arithmetic, and its promise on simulated samples."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.bench.percentiles import fewest_samples, percentile_estimate, tolerated_above


@pytest.mark.parametrize(("percentile", "floor"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)])
def test_the_floors_are_those_of_loadgen(percentile: float, floor: int) -> None:
    assert fewest_samples(percentile) == floor
    assert percentile_estimate(range(floor - 1), percentile) is None
    assert percentile_estimate(range(floor), percentile) == floor - 1


@given(count=st.integers(1, 150), tenths=st.integers(1, 9))
def test_the_tolerance_is_the_largest_that_the_binomial_allows(count: int, tenths: int) -> None:
    beyond = 1 - Fraction(tenths, 10)
    at_most = Fraction(0)
    largest = -1
    for above in range(count + 1):
        at_most += comb(count, above) * beyond**above * (1 - beyond) ** (count - above)
        if at_most >= Fraction(1, 100):
            break
        largest = above
    assert tolerated_above(count, tenths / 10) == max(0, largest)


@given(samples=st.lists(st.integers(1, 10**9), min_size=64, max_size=300))
def test_the_estimate_is_a_sample_and_no_lower_than_the_plain_percentile(samples: list[int]) -> None:
    estimate = percentile_estimate(samples, 0.9)
    assert estimate in samples
    assert estimate is not None
    assert estimate >= np.quantile(samples, 0.9, method="lower")


def test_order_does_not_matter() -> None:
    samples = np.random.default_rng(0).integers(0, 10**6, 700).tolist()
    assert percentile_estimate(samples, 0.99) == percentile_estimate(sorted(samples), 0.99)


def test_the_true_percentile_is_above_the_bound_in_one_run_of_a_hundred() -> None:
    rng = np.random.default_rng(1)
    truth = 0.9  # of samples that are uniform on [0, 1)
    scaled = (rng.random((4000, 200)) * 10**9).astype(int)
    missed = sum((percentile_estimate(row.tolist(), 0.9) or 0) < truth * 10**9 for row in scaled)
    assert 1 <= missed <= 4000 * 0.015


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.5"):
        tolerated_above(10, 1.5)
