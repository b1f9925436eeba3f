"""Levels of confidence: how many images each holds, and what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.calibration.levels import fit_levels

Array = np.ndarray[Any, Any]


def cases() -> st.SearchStrategy[tuple[Array, Array, int]]:
    """Peaks on the grid, whether each was right, and how many levels are wanted."""
    return st.integers(0, 2**32 - 1).flatmap(
        lambda seed: st.tuples(st.integers(0, 400), st.integers(1, 16), st.integers(1, 120)).map(
            lambda numbers: (
                np.random.default_rng(seed).integers(-numbers[2], numbers[2] + 1, numbers[0]),
                (np.random.default_rng(seed + 1).random(numbers[0]) < 0.8).astype(np.float64),
                numbers[1],
            )
        )
    )


@pytest.mark.parametrize("wanted", [1, 2, 4, 16])
def test_levels_hold_equally_many_images(wanted: int) -> None:
    """No peak occurs twice, so that only rounding stands between the levels."""
    peaks = np.random.default_rng(0).permutation(np.arange(-120, 120))
    levels = fit_levels(np.repeat(peaks, 2), np.ones(480), wanted)
    counts = np.bincount(levels.of(peaks))
    assert len(levels) == len(counts) == wanted
    assert counts.max() - counts.min() <= 1


def test_a_confidence_is_the_share_of_right_images_with_one_more_of_each_kind() -> None:
    peaks = np.repeat([-50, 0, 50], 100)
    worth = np.concatenate([np.arange(100) < right for right in (60, 80, 99)]).astype(np.float64)
    levels = fit_levels(peaks, worth, 3)
    assert levels.starts == (-128, 0, 50)
    assert levels.confidences == pytest.approx((61 / 102, 81 / 102, 100 / 102))


def test_a_level_without_an_error_does_not_promise_certainty() -> None:
    assert fit_levels(np.arange(100), np.ones(100), 4).confidences == pytest.approx((26 / 27,) * 4)


def test_where_confidence_would_fall_levels_share_their_mean() -> None:
    peaks = np.repeat([-50, 0, 50], 100)
    worth = np.concatenate([np.arange(100) < right for right in (90, 70, 99)]).astype(np.float64)
    levels = fit_levels(peaks, worth, 3)
    assert levels.confidences == pytest.approx((162 / 204, 162 / 204, 100 / 102))


def test_a_fall_at_the_end_pulls_all_before_it_down() -> None:
    """Pooling goes on until nothing falls: 99, 98 and 10 of a hundred make one block."""
    peaks = np.repeat([-50, 0, 50], 100)
    worth = np.concatenate([np.arange(100) < right for right in (99, 98, 10)]).astype(np.float64)
    assert fit_levels(peaks, worth, 3).confidences == pytest.approx((210 / 306,) * 3)


@pytest.mark.parametrize(("images", "levels"), [(0, 1), (1, 1), (49, 1), (50, 2), (99, 3), (100, 4), (5000, 4)])
def test_few_images_give_few_levels(images: int, levels: int) -> None:
    peaks = np.linspace(-100, 100, images).astype(np.int64)
    assert len(fit_levels(peaks, np.ones(images), 4)) == levels


def test_without_an_image_nothing_is_promised() -> None:
    assert fit_levels(np.zeros(0, np.int64), np.zeros(0), 4).confidences == (0.5,)


def test_peaks_that_are_all_alike_make_one_level() -> None:
    for peak in (-128, 3, 127):
        levels = fit_levels(np.full(500, peak), np.ones(500), 4)
        # What lies below all images is a level of its own, worth what one of each kind says.
        assert len(levels) == (1 if peak == -128 else 2)
        assert levels.confidences[-1] == pytest.approx(501 / 502)


@settings(deadline=None)
@given(cases())
def test_levels_are_always_in_order(case: tuple[Array, Array, int]) -> None:
    peaks, worth, wanted = case
    levels = fit_levels(peaks, worth, wanted)
    assert levels.starts[0] == -128
    assert 1 <= len(levels) <= wanted
    assert list(levels.confidences) == sorted(levels.confidences)
    assert 0 < levels.confidences[0] <= levels.confidences[-1] < 1


@settings(deadline=None)
@given(cases())
def test_confidences_are_right_on_average(case: tuple[Array, Array, int]) -> None:
    """But for the images that Laplace's rule adds: pooling moves promises about, it makes none."""
    peaks, worth, wanted = case
    levels = fit_levels(peaks, worth, wanted)
    promised = np.array(levels.confidences)[levels.of(peaks)].sum()
    assert abs(promised - worth.sum()) <= len(levels)
