"""Bounds of a loss against exact values, and what they promise."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.calibration.binomial import MISS, least_images, most_losses, upper_bound


def at_most(losses: int, images: int, p: float) -> float:
    """The probability of so many losses or fewer, term by term from the end that is nearer."""
    if 2 * losses > images:
        return 1 - at_most(images - losses - 1, images, 1 - p)
    total, term = 0.0, (1 - p) ** images
    for k in range(losses + 1):
        total += term
        term *= (images - k) / (k + 1) * p / (1 - p)
    return total


@pytest.mark.parametrize("images", [1, 2, 59, 598, 10_000, 1_000_000])
def test_without_losses_the_bound_has_a_closed_form(images: int) -> None:
    assert upper_bound(0, images) == pytest.approx(1 - MISS ** (1 / images), rel=1e-9)


@pytest.mark.parametrize("images", [1, 7, 300])
def test_one_image_left_has_a_closed_form_too_and_none_left_proves_nothing(images: int) -> None:
    assert upper_bound(images - 1, images) == pytest.approx((1 - MISS) ** (1 / images), rel=1e-9)
    assert upper_bound(images, images) == 1


@pytest.mark.parametrize(
    ("losses", "images", "bound"),
    [(1, 10, 0.3942), (5, 50, 0.1988), (2, 100, 0.0616), (10, 1000, 0.0169), (50, 100, 0.5864)],
)
def test_textbook_values(losses: int, images: int, bound: float) -> None:
    """One-sided 95 % bounds, which are the upper ends of the two-sided 90 % intervals of tables."""
    assert upper_bound(losses, images) == pytest.approx(bound, abs=1e-4)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_at_the_bound_so_few_losses_have_the_probability_of_a_miss(case: tuple[int, int]) -> None:
    losses, images = case
    assert at_most(losses, images, upper_bound(losses, images)) == pytest.approx(MISS, rel=1e-4)


@given(st.integers(1, 400), st.floats(0.001, 0.999))
def test_the_most_losses_are_those_whose_bound_still_fits(images: int, budget: float) -> None:
    most = most_losses(images, budget)
    assert -1 <= most < images
    assert most == -1 or upper_bound(most, images) <= budget
    assert upper_bound(most + 1, images) > budget


@settings(deadline=None)
@given(st.integers(1, 3000), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_a_larger_budget_or_more_images_never_allow_fewer_losses(images: int, budget: float, more: float) -> None:
    assert most_losses(images, budget) <= most_losses(images, budget + more)
    assert most_losses(images, budget) <= most_losses(images + 1, budget)


@pytest.mark.parametrize(("budget", "images"), [(0.005, 598), (0.01, 299), (0.02, 149), (0.05, 59), (0.5, 5)])
def test_the_least_images(budget: float, images: int) -> None:
    assert least_images(budget) == images
    assert most_losses(images - 1, budget) == -1
    assert most_losses(images, budget) == 0


@pytest.mark.parametrize(("images", "budget", "most"), [(2000, 0.005, 4), (2000, 0.01, 12), (10_000, 0.01, 83)])
def test_what_usual_validation_sets_allow(images: int, budget: float, most: int) -> None:
    assert most_losses(images, budget) == most


@pytest.mark.parametrize("images", [300, 1000, 2000])
@pytest.mark.parametrize("budget", [0.01, 0.02, 0.1])
def test_a_loss_beyond_the_budget_is_taken_for_less_in_one_case_of_twenty(images: int, budget: float) -> None:
    """Coverage, exactly: were the true loss the budget, so few losses would be seen with a probability of at most 5 %,
    and one loss more would already be more probable than that."""
    most = most_losses(images, budget)
    assert at_most(most, images, budget) <= MISS < at_most(most + 1, images, budget)


def test_large_validation_sets_take_no_time() -> None:
    begin = time.monotonic()
    assert most_losses(50_000, 0.05) == 2419
    assert time.monotonic() - begin < 5
