"""What a report computes, against figures derived by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.attacks.report.curves import area_under, areas, value_at
from edgeguard.attacks.report.estimates import estimate
from edgeguard.attacks.report.matched import Match, matches
from edgeguard.attacks.report.names import budget, family, order, setting, twins
from edgeguard.attacks.report.paired import differences, spread
from edgeguard.attacks.report.summary import Panel, check_distinct, groups, panels
from edgeguard.attacks.report.utility import exposures, utilities
from edgeguard.errors import UsageError
from tests.attacks.report_cells import cell, grid

# Student's t, two-sided 95 %, 2 degrees of freedom (any table), times the error of 0.01, 0, -0.01 around a mean.
REACH = 4.302653 * 0.01 / math.sqrt(3)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return panels(grid())[0]


@pytest.mark.parametrize(
    ("name", "expected", "tail"),
    [
        ("dcp-0.9", "dcp", "0.9"),
        ("dcp-1.2", "dcp", "1.2"),
        ("decoy-0.5pp", "decoy", "0.5pp"),
        ("reverse-sigmoid", "reverse-sigmoid", ""),
        ("reverse-sigmoid-beta=0.4-gamma=0.2", "reverse-sigmoid", "beta=0.4-gamma=0.2"),
        ("decoy-2pp-low-logit", "decoy", "2pp-low-logit"),
        ("grad2", "grad2", ""),
        ("", "", ""),
    ],
)
def test_a_family_is_what_stands_before_the_setting(name: str, expected: str, tail: str) -> None:
    assert (family(name), setting(name)) == (expected, tail)


def test_a_budget_is_read_off_the_setting_alone() -> None:
    assert [budget(name) for name in ("decoy-0.5pp", "decoy-2pp", "dcp-0.5", "label", "x-1ppm")] == [
        0.5,
        2,
        None,
        None,
        None,
    ]


def test_defenses_are_sorted_by_the_number_of_their_setting() -> None:
    names = ["dcp-10", "dcp-9", "label", "undefended", "codebook"]
    assert sorted(names, key=order) == ["undefended", "label", "codebook", "dcp-9", "dcp-10"]


def test_float_and_int8_victims_are_found_by_name() -> None:
    assert twins(["a-int8", "a-float", "b_float", "b_int8", "c", "d-int8"]) == [
        ("a-float", "a-int8"),
        ("b_float", "b_int8"),
    ]


def test_the_interval_is_students() -> None:
    found = estimate([0.59, 0.60, 0.61])
    assert found.mean == pytest.approx(0.60)
    assert (found.low, found.high) == (pytest.approx(0.60 - REACH), pytest.approx(0.60 + REACH))
    alone = estimate([0.6])
    assert (alone.low, alone.high, alone.count) == (None, None, 1)


def test_the_worst_attacker_is_the_one_with_the_best_clones(panel: Panel) -> None:
    assert [(worst.defense, worst.group.attack) for worst in panel.worst][:4] == [
        ("undefended", "naive"),
        ("label", "naive"),
        ("dcp-0.9", "recovery"),
        ("dcp-1.5", "recovery"),
    ]
    dcp = panel.of("dcp-1.5")
    assert dcp is not None
    assert dcp.accuracy.high == pytest.approx(0.56 + REACH)
    assert (dcp.loss, dcp.l1) == (pytest.approx(1.5), pytest.approx(1.6))
    assert panel.floor is not None
    assert panel.floor.accuracy.mean == pytest.approx(0.50)


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.floats(0, 1), min_size=1, max_size=3), min_size=1))
def test_no_attacker_is_worse_than_the_worst(found: dict[str, list[float]]) -> None:
    records = [
        cell("dcp-1", accuracy, attack=attack, seed=seed)
        for attack, values in found.items()
        for seed, accuracy in enumerate(values)
    ]
    worst = panels(records)[0].worst[0]
    assert all(worst.accuracy.mean >= group.accuracy.mean for group in groups(records))
    assert worst.attackers == tuple(sorted(found))


def test_areas_are_taken_over_the_range_that_the_curves_share(panel: Panel) -> None:
    found = areas(panel)
    assert found is not None
    assert found.reach == pytest.approx(1.0)
    # Clone errors 40 (undefended), then dcp 42 at 0.5 and 43 half way to 44 at 1.5; the others likewise.
    by_hand = {
        "dcp": 0.5 * (40 + 42) / 2 + 0.5 * (42 + 43) / 2,
        "decoy": 0.5 * (40 + 53) / 2 + 0.5 * (53 + 57) / 2,
        "reverse-sigmoid": 0.2 * (40 + 43) / 2 + 0.8 * (43 + 45) / 2,
    }
    assert {area.family: area.area for area in found.areas} == pytest.approx(by_hand)
    best = found.areas[0]
    assert best.family == "decoy"
    # Every curve moves by a point with the seed, and so does its mean.
    assert best.error.high == pytest.approx(by_hand["decoy"] + 100 * REACH)


def test_a_family_without_a_curve_says_why() -> None:
    records = [
        cell(name, 0.5, loss=loss) for name, loss in (("undefended", 0), ("dcp-1", 1), ("a-1", 0.01), ("a-2", 0))
    ]
    found = areas(panels(records)[0])
    assert found is not None
    assert found.areas == ()
    assert dict(found.without) == {"dcp": "one setting makes no curve", "a": "no setting costs 0.1 pp"}
    assert areas(panels(records[1:])[0]) is None


def test_an_area_has_no_interval_where_the_seeds_differ() -> None:
    records = [cell("undefended", 0.6, seed=seed) for seed in (0, 1)]
    records += [cell("dcp-1", 0.5, seed=0, loss=1), cell("dcp-2", 0.4, seed=1, loss=2)]
    found = areas(panels(records)[0])
    assert found is not None
    # Errors 40, 50, 60 at 0, 1, 2.
    assert (found.areas[0].area, found.areas[0].error.low) == (pytest.approx(100), None)


def test_a_step_adds_no_area_and_counts_as_its_upper_end() -> None:
    points = [(0.0, 40.0), (0.0, 50.0), (2.0, 60.0)]
    assert area_under(points, 2.0) == pytest.approx(110)
    assert (value_at(points, 0.0), value_at(points, -0.5), value_at(points, 1.0)) == (50, 50, pytest.approx(55))
    assert value_at(points, 2.01) is None
    with pytest.raises(ValueError, match="end before"):
        area_under(points, 3.0)


def _match(panel: Panel, defense: str, peer: str) -> Match:
    return next(match for match in matches(panel) if (match.ours.defense, match.peer) == (defense, peer))


def test_a_peer_is_read_at_our_loss(panel: Panel) -> None:
    found = _match(panel, "decoy-0.5pp", "reverse-sigmoid")
    # Three eighths of the way from 0.2 to 1.0 pp.
    assert found.peer_accuracy == pytest.approx(0.57 - 0.02 * 3 / 8)
    assert found.peer_l1 == pytest.approx(0.5 + 0.7 * 3 / 8)
    assert found.outcome == "beats"
    assert [worst.defense for worst in found.also] == ["reverse-sigmoid-0.8"]
    assert {match.peer for match in matches(panel)} == {"dcp", "reverse-sigmoid"}


@pytest.mark.parametrize(
    ("ours", "loss", "outcome"),
    [
        ((0.40, 0.41), 1.0, "beats"),
        ((0.40, 0.58), 1.0, "lower mean only"),
        ((0.40,), 1.0, "no interval"),
        ((0.56, 0.57), 1.0, "does not beat"),
        ((0.10, 0.11), 1.6, "no peer point there"),
    ],
)
def test_a_peer_is_beaten_by_the_upper_end_only(ours: tuple[float, ...], loss: float, outcome: str) -> None:
    records = [cell("undefended", 0.6), cell("dcp-1.2", 0.5, loss=1.5)]
    records += [cell("decoy-1pp", accuracy, seed=seed, loss=loss) for seed, accuracy in enumerate(ours)]
    # At 1.0 pp, two thirds of the way from 60 to 50 %: 53.3 %.
    assert matches(panels(records)[0])[0].outcome == outcome


def test_int8_and_float_are_paired_by_seed() -> None:
    records = [cell("label", accuracy, seed=seed, victim="a-float") for seed, accuracy in enumerate((0.5, 0.6, 0.7))]
    records += [cell("label", accuracy, seed=seed, victim="a-int8") for seed, accuracy in ((1, 0.58), (2, 0.69))]
    (found,) = differences(groups(records))
    # -2 and -1 points: t with one degree of freedom is 12.7062, the error 0.5.
    assert found.accuracy.mean == pytest.approx(-1.5)
    assert found.accuracy.low == pytest.approx(-1.5 - 12.7062 * 0.5, rel=1e-4)
    assert found.accuracy.count == 2


def test_the_spread_over_defenses_is_that_of_their_means() -> None:
    pairs = {
        "label": (0.50, 0.48),
        "dcp-1": (0.50, 0.51),
        "decoy": (0.40, 0.44),
        "round": (0.6, 0.6),
        "noise": (0.3, 0.32),
    }
    records = []
    for defense, (before, after) in pairs.items():
        records += [cell(defense, before, victim="a-float"), cell(defense, after, victim="a-int8")]
    found = spread(differences(groups(records)))
    assert found.mean == pytest.approx(1.0)
    assert (found.least, found.lower, found.upper, found.most) == pytest.approx((-2, 0, 2, 4))


def test_each_seed_counts_once_in_utility_and_exposure() -> None:
    records = [cell("dcp-1", 0.5, seed=0, loss=1.0, l1=1.0, attack=attack) for attack in ("naive", "recovery", "top-1")]
    records.append(cell("dcp-1", 0.5, seed=1, loss=2.0, l1=0.5))
    (row,) = utilities(records)
    assert (row.loss.mean, row.l1.mean, row.loss.count) == (pytest.approx(1.5), pytest.approx(0.75), 2)
    naive = exposures(records)[0]
    assert (naive.attack, naive.l1.mean, naive.l1_read.mean) == ("naive", pytest.approx(0.75), pytest.approx(0.375))


def test_cells_of_two_grids_are_not_mixed() -> None:
    record = cell("label", 0.5)
    with pytest.raises(UsageError, match=r"label, pool, naive, lenet, seed 0"):
        check_distinct([record, replace(record, grid="other", digest="0")])
    with pytest.raises(UsageError, match="no cells"):
        check_distinct([])
