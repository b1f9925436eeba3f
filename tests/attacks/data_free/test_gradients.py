"""Forward differences: what they expect, how they spread, and what they cost."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from edgeguard.attacks.data_free.gradients import directions, forward_differences

_SHAPE = (1, 4, 4)
_DIMENSIONS = 16
_POINTS = 20_000


def _draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _slope() -> Tensor:
    return torch.linspace(-1, 2, _DIMENSIONS, dtype=torch.float64)


def _points() -> Tensor:
    """The same point many times: their estimates are independent."""
    return torch.full((_POINTS, *_SHAPE), 0.3, dtype=torch.float64)


def test_directions_have_length_one_and_no_preference() -> None:
    drawn = directions(torch.zeros(_POINTS, *_SHAPE), _draws()).flatten(1)
    torch.testing.assert_close(drawn.norm(dim=1), torch.ones(_POINTS))
    # A coordinate's variance is 1 / d, and that of its square 2 (d - 1) / (d^2 (d + 2)): six deviations of the means.
    spread = math.sqrt(2 * (_DIMENSIONS - 1) / (_DIMENSIONS**2 * (_DIMENSIONS + 2)) / _POINTS)
    assert drawn.mean(dim=0).abs().max() < 6 / math.sqrt(_DIMENSIONS * _POINTS)
    assert (drawn.square().mean(dim=0) - 1 / _DIMENSIONS).abs().max() < 6 * spread


@pytest.mark.parametrize("epsilon", [1e-3, 10.0])
@pytest.mark.parametrize("curvature", [0.0, 0.7])
def test_affine_and_quadratic_functions_are_estimated_without_bias(epsilon: float, curvature: float) -> None:
    """The derivation stands in the module: E[u u^T] = I / d, and odd moments vanish."""

    def values(points: Tensor) -> Tensor:
        flat = points.flatten(1)
        return flat @ _slope() + curvature * flat.square().sum(dim=1)

    points = _points()
    found = forward_differences(values, points, 1, epsilon, _draws()).flatten(1)
    true = _slope() + 2 * curvature * points[0].flatten()
    deviation = found.std(dim=0) / math.sqrt(_POINTS)
    assert ((found.mean(dim=0) - true).abs() < 5 * deviation).all()


@pytest.mark.parametrize("count", [1, 4])
def test_more_directions_spread_less(count: int) -> None:
    """E |g|^2 = (d + m - 1) / m |v|^2, derived in the module."""
    found = forward_differences(lambda points: points.flatten(1) @ _slope(), _points(), count, 0.1, _draws())
    expected = (_DIMENSIONS + count - 1) / count * float(_slope().square().sum())
    # Of 20,000 squares that spread about as widely as they are large.
    assert float(found.flatten(1).square().sum(dim=1).mean()) == pytest.approx(expected, rel=0.04)


def test_a_step_function_hides_its_slope_from_small_steps() -> None:
    """Answers of a table: flat almost everywhere, so that only wide steps see that they change."""

    def values(points: Tensor) -> Tensor:
        return torch.floor(4 * points.flatten(1).sum(dim=1))

    assert not forward_differences(values, _points() + 0.01, 1, 1e-3, _draws()).any()
    assert forward_differences(values, _points() + 0.01, 1, 2.0, _draws()).any()


@pytest.mark.parametrize("count", [1, 3])
def test_each_point_is_asked_once_and_once_along_each_direction(count: int) -> None:
    asked: list[Tensor] = []

    def values(points: Tensor) -> Tensor:
        asked.append(points)
        return points.flatten(1).sum(dim=1)

    points = torch.rand(5, *_SHAPE, generator=_draws())
    forward_differences(values, points, count, 0.25, _draws())
    assert sum(map(len, asked)) == 5 * (count + 1)
    for moved in asked[1:]:
        torch.testing.assert_close((moved - points).flatten(1).norm(dim=1), torch.full((5,), 0.25))
