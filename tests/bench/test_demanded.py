"""The figures of what was measured on demand."""

from __future__ import annotations

from typing import Any

import pytest

from edgeguard.bench.demand_messages import EnergyAnswer, Moment, Node
from edgeguard.bench.demanded import by_op, energy_figures, sustained_figures


def moments(count: int, **late: Any) -> list[Moment]:
    """One a second; ``late`` holds for the second half."""
    plain = {"runs": 10, "median_ns": 1000, "worst_ns": 2000, "frequency_khz": None, "temperature_c": None}
    return [
        Moment(elapsed_s=float(second), **{**plain, "throttled": (), **(late if second > count / 2 else {})})
        for second in range(1, count + 1)
    ]


def test_an_even_pace_is_steady() -> None:
    found = sustained_figures("defended", moments(200))
    assert (found.name, len(found.moments)) == ("defended", 200)
    assert (found.first_ns, found.last_ns, found.ratio, found.throttled_at_s, found.steady) == (
        1000,
        1000,
        1,
        None,
        True,
    )


def test_the_first_minute_is_held_against_the_last() -> None:
    series = [Moment(float(second), 1, second, second, None, None, None) for second in range(1, 301)]
    found = sustained_figures("defended", series)
    assert (found.first_ns, found.last_ns) == (30, 270)  # medians of 1..60 and 241..300, rounded to even
    assert found.ratio == pytest.approx(9)
    assert not found.steady


def test_of_a_short_series_the_thirds_are() -> None:
    series = [Moment(float(second), 1, second * 100, 1, None, None, None) for second in range(1, 10)]
    found = sustained_figures("defended", series)
    assert (found.first_ns, found.last_ns) == (200, 800)


@pytest.mark.parametrize(
    ("late", "steady"),
    [
        ({"median_ns": 1049}, True),
        ({"median_ns": 1051}, False),
        ({"median_ns": 500}, True),
        ({"throttled": ("soft temperature limit",)}, False),
        ({"throttled": None}, True),
    ],
)
def test_a_pace_that_is_lost_is_not_steady(late: dict[str, Any], steady: bool) -> None:
    assert sustained_figures("defended", moments(100, **late)).steady is steady


def test_a_frequency_that_moves_is_not_steady() -> None:
    for low, steady in ((1_450_000, True), (1_400_000, False)):
        series = [Moment(1.0, 1, 1, 1, 1_500_000, None, ()), Moment(2.0, 1, 1, 1, low, None, ())]
        assert sustained_figures("defended", series).steady is steady


def test_throttling_has_a_beginning() -> None:
    assert sustained_figures("d", moments(100, throttled=("throttled",))).throttled_at_s == 51


def test_a_single_moment_is_enough() -> None:
    assert sustained_figures("d", moments(1)).ratio == 1


def test_nodes_of_one_operator_are_told_together_the_costliest_first() -> None:
    nodes = [Node("a", "Mul", 1.0, 0.1), Node("b", "Conv", 5.0, 0.5), Node("c", "Mul", 2.5, 0.4)]
    first, second = by_op([*nodes, Node("d", "Mul", 1.0, 0.1)])
    assert (first.op, first.nodes, first.median_us, first.share) == ("Mul", 3, 4.5, pytest.approx(0.6))
    assert (second.op, second.nodes, second.median_us, second.share) == ("Conv", 1, 5.0, 0.5)


def test_operators_of_an_emulated_machine_have_shares_only() -> None:
    (found,) = by_op([Node("a", "Mul", None, 0.4), Node("b", "Mul", None, 0.6)])
    assert (found.median_us, found.share) == (None, 1.0)


def test_joules_are_power_times_time() -> None:
    energy = energy_figures(
        EnergyAnswer(0, 8.0, (2.0, 3.0)),
        [("float", EnergyAnswer(100, 10.0, (4.0, 6.0))), ("int8", EnergyAnswer(4, 2.0, (2.5,)))],
    )
    assert energy.idle_watts == (2.0, 3.0)
    heavy, light = energy.variants
    assert (heavy.name, heavy.joules, heavy.joules_above_idle) == ("float", pytest.approx(0.5), pytest.approx(0.25))
    assert (light.name, light.joules, light.joules_above_idle) == ("int8", pytest.approx(1.25), pytest.approx(0.0))
