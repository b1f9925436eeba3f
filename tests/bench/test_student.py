"""Student's t against the printed tables."""

from __future__ import annotations

from statistics import NormalDist

import pytest

from edgeguard.bench.student import t_quantile


@pytest.mark.parametrize(
    ("probability", "freedom", "value"),
    [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.3027),
        (0.975, 5, 2.5706),
        (0.975, 9, 2.2622),
        (0.975, 10, 2.2281),
        (0.995, 4, 4.6041),
        (0.995, 19, 2.8609),
        (0.95, 3, 2.3534),
        (0.5, 7, 0.0),
    ],
)
def test_table_values(probability: float, freedom: int, value: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(value, abs=5e-5)


def test_many_degrees_of_freedom_are_a_normal_distribution() -> None:
    assert t_quantile(0.975, 4001) == pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-3)


@pytest.mark.parametrize(("probability", "freedom"), [(0.4, 3), (1.0, 3), (0.9, 0)])
def test_nonsense_is_refused(probability: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="no t quantile"):
        t_quantile(probability, freedom)
