"""Wrong classes: never the right one, distributed as honest answers, far from what was asked, and the key's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.calibration.wrong_classes import fit_cells, fit_draws, members_of, wrong_class_bits
from edgeguard.defenses.gate import Cells
from tests.defenses.fitted import key

Array = np.ndarray[Any, Any]


def gated(count: int, classes: int, seed: int = 0) -> Array:
    """Steps of queries that no class stands out of much; those of neighbouring classes are alike."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 12, (count, classes))
    values += np.roll(values, 1, axis=1)
    values[np.arange(count), rng.integers(0, classes, count)] += 25
    return np.clip(np.rint(values), -128, 127).astype(np.int64)


def shares(classes: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(0.5, 1.5, classes)


def fitted(steps: Array, honest: Array, seed: int = 0) -> tuple[Cells, Array]:
    """Cells and draws of queries.

    :param honest: of each row, ``[levels * classes]``.
    """
    classes = steps.shape[1]
    members = members_of(key(seed), classes)
    cells = fit_cells(key(seed), members, steps, honest.reshape(-1, classes).sum(axis=0))
    counts = np.zeros((classes, len(cells)), np.int64)
    np.add.at(counts, (steps.argmax(axis=1), cells.of(steps)), 1)
    return cells, fit_draws(key(seed), counts, honest, members)


def rows_of(steps: Array, cells: Cells, draws: Array) -> Array:
    """The row that answers each query; with one level its wrong class."""
    return np.asarray(draws[steps.argmax(axis=1), cells.of(steps)])


@pytest.mark.parametrize(
    ("classes", "cells"), [(2, 8), (3, 12), (10, 40), (11, 33), (20, 40), (21, 21), (64, 64), (65, 33), (1000, 63)]
)
def test_cells_stand_for_every_class_evenly(classes: int, cells: int) -> None:
    members = members_of(key(), classes)
    assert members.shape == (cells, classes)
    assert len(set(members.sum(axis=0).tolist())) == 1
    assert members.sum(axis=1).min() >= 1
    assert np.ptp(members.sum(axis=1)) <= 1


def test_the_key_puts_classes_together() -> None:
    assert (members_of(key(0), 200) == members_of(key(0), 200)).all()
    assert (members_of(key(0), 200) != members_of(key(1), 200)).any()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [4, 10, 40])
def test_wrong_classes_come_as_often_as_honest_answers(classes: int, seed: int) -> None:
    """Within 4 % (total variation), of queries that it was not fitted to too, but for what 4,000 of them vary by."""
    honest = shares(classes, seed)
    steps, other = gated(4000, classes, seed), gated(4000, classes, seed + 100)
    fit = fitted(steps, honest, seed)
    chance = 0.5 * np.sqrt(classes / 4000)
    for found, more in ((rows_of(steps, *fit), 0.0), (rows_of(other, *fit), chance)):
        share = np.bincount(found, minlength=classes) / len(found)
        assert np.abs(share - honest / honest.sum()).sum() / 2 < 0.04 + more


@pytest.mark.parametrize("classes", [10, 40])
def test_they_are_far_from_what_was_asked(classes: int) -> None:
    """At more than 85 % of the distance that wrong classes could have on average, were there no shares to keep to."""
    steps = gated(4000, classes)
    wrong = rows_of(steps, *fitted(steps, np.ones(classes)))
    rows = np.arange(len(steps))
    mean = (steps.sum(axis=1) - steps.max(axis=1)) / (classes - 1)
    assert (mean - steps[rows, wrong]).mean() > 0.85 * (mean - steps.min(axis=1)).mean()


def test_of_many_classes_they_are_far_too() -> None:
    """Cells of three classes each: none of them is as far as the farthest class, and a random one is not far at all."""
    steps = gated(4000, 190)
    wrong = rows_of(steps, *fitted(steps, np.ones(190)))
    mean = (steps.sum(axis=1) - steps.max(axis=1)) / 189
    assert (mean - steps[np.arange(len(steps)), wrong]).mean() > 0.4 * (mean - steps.min(axis=1)).mean()


def test_another_key_answers_otherwise_and_the_same_one_the_same() -> None:
    """A class may be the farthest under any key; a level is the key's alone."""
    steps = gated(4000, 10)
    rows = [rows_of(steps, *fitted(steps, np.ones(40), seed)) for seed in (0, 0, 1)]
    assert (rows[0] == rows[1]).all()
    assert (rows[0] == rows[2]).mean() < 0.3
    assert (rows[0] % 10 == rows[2] % 10).mean() < 0.8


def test_cells_need_no_reference() -> None:
    members = members_of(key(), 10)
    assert fit_cells(key(), members, gated(1, 10)[:0], np.ones(10)).offsets == (0,) * 40


@settings(deadline=None)
@given(st.integers(0, 1000), st.sampled_from([2, 3, 5, 12, 70]), st.integers(1, 4), st.sampled_from([0, 3, 200]))
def test_no_query_is_answered_with_its_own_class(seed: int, classes: int, levels: int, largest: int) -> None:
    rng = np.random.default_rng(seed)
    members = members_of(key(seed), classes)
    counts = rng.integers(0, largest + 1, (classes, len(members)))
    honest = rng.random(levels * classes) ** 4 + 1e-6
    draws = fit_draws(key(seed), counts, honest, members)
    assert draws.shape == counts.shape
    assert draws.min() >= 0
    assert draws.max() < levels * classes
    assert (draws % classes != np.arange(classes)[:, None]).all()


@pytest.mark.parametrize("seed", range(3))
def test_gated_rows_are_distributed_as_honest_ones(seed: int) -> None:
    """Four levels of ten classes: within 4 % (total variation), and nearer than independent draws would be."""
    rng = np.random.default_rng(seed)
    honest = rng.gamma(2.0, 1.0, 40)
    steps = gated(8000, 10, seed)
    cells, draws = fitted(steps, honest, seed)
    independent = rng.choice(40, draws.shape, p=honest / honest.sum())
    drawn, by_chance = (
        np.bincount(rows_of(steps, cells, table), minlength=40) / len(steps) for table in (draws, independent)
    )
    target = honest / honest.sum()
    assert np.abs(drawn - target).sum() / 2 < 0.04
    assert np.abs(drawn - target).sum() < 0.5 * np.abs(by_chance - target).sum()


def test_bits_of_the_wrong_class() -> None:
    """Class 0: all on class 1, no bit. Class 1: halves, one bit. Class 2: quarters in four cells of classes 0, 1 at
    two levels, which are again two classes, one bit."""
    counts = np.array([[8, 0, 0, 0], [4, 4, 0, 0], [2, 2, 2, 2]])
    draws = np.array([[1, 2, 2, 2], [0, 2, 0, 0], [0, 1, 3, 4]])
    assert wrong_class_bits(counts, draws) == pytest.approx((8 * 0 + 8 * 1 + 8 * 1) / 24)
    assert wrong_class_bits(np.zeros((3, 4), np.int64), draws) == 0
