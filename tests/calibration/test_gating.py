"""Gates: how many right answers a threshold costs, and what is known of a fitted one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.calibration.gating import fit_gate, fit_threshold
from edgeguard.defenses.gate import SCORES, Score
from edgeguard.defenses.head import Grid, Head, Query
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.rows import Levels
from edgeguard.keys import MasterKey

Array = np.ndarray[Any, Any]

GRID = Grid(0.2, -40)
LEVELS = Levels((-128, 0, 30), (0.7, 0.9, 0.99))


def key(seed: int = 0) -> MasterKey:
    return MasterKey(seed.to_bytes(32, "big"))


def logits(count: int, classes: int = 10, *, seed: int = 0, sure: float = 8.0, coarse: bool = True) -> Array:
    """As a classifier's: one class stands out by about ``sure``. Coarse ones lie on the grid, so that scores tie."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 2, (count, classes))
    values[np.arange(count), rng.integers(0, classes, count)] += rng.normal(sure, 3, count)
    if coarse:
        values = (GRID.steps(values) - GRID.zero) * GRID.scale
    return values.astype(np.float32)


def right_ones(count: int, seed: int = 0, share: float = 0.9) -> Array:
    return np.random.default_rng(seed + 100).random(count) < share


def closed(score: Score, values: Array, most: int, right: Array) -> Array | None:
    found = fit_threshold(score, values, right, most, GRID)
    return None if found is None else found.gated(values, GRID)


@settings(deadline=None)
@given(
    score=st.sampled_from(SCORES),
    seed=st.integers(0, 10_000),
    count=st.integers(1, 300),
    most=st.integers(0, 30),
    classes=st.integers(2, 12),
    coarse=st.booleans(),
)
def test_a_threshold_gates_no_more_right_images_than_it_may(
    score: Score, seed: int, count: int, most: int, classes: int, coarse: bool
) -> None:
    values = logits(count, classes, seed=seed, coarse=coarse)
    right = right_ones(count, seed)
    gated = closed(score, values, most, right)
    if gated is not None:
        assert (gated & right).sum() <= most
        assert gated.any() or score in ("max-probability", "energy")


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("most", [5, 12, 40])
def test_a_threshold_uses_what_it_may(score: Score, most: int) -> None:
    """Scores that do not tie leave nothing over; on the grid a step holds several images, and goes as a whole."""
    values, right = logits(2000, coarse=False), right_ones(2000)
    gated = closed(score, values, most, right)
    assert gated is not None
    left = most - (gated & right).sum()
    assert left == 0 if score in ("max-probability", "energy") else 0 <= left <= 8


@pytest.mark.parametrize("score", SCORES)
def test_the_deployed_gate_closes_where_its_threshold_says(score: Score) -> None:
    values, right = logits(2000), right_ones(2000)
    threshold = fit_threshold(score, values, right, 12, GRID)
    assert threshold is not None
    gate = fit_gate(key(), threshold, logits(3000, seed=1, sure=4.0), LEVELS, values, GRID).gate
    query = Query(NumpyOps(), Head("logits", 10), values, GRID)
    assert np.array_equal(gate.closes(query), threshold.gated(values, GRID))


@pytest.mark.parametrize("score", ["max-probability", "energy"])
def test_a_float_threshold_keeps_away_from_all_that_was_seen(score: Score) -> None:
    """It is computed a little differently elsewhere, and the bound is counted on these images."""
    values, right = logits(500, coarse=False), right_ones(500)
    threshold = fit_threshold(score, values, right, 5, GRID)
    assert threshold is not None
    gated = threshold.gated(values, GRID)
    for factor in (1 - 3e-7, 1 + 3e-7):
        moved = type(threshold)(score, threshold.value * factor)
        assert np.array_equal(moved.gated(values, GRID), gated)


@pytest.mark.parametrize("score", SCORES)
def test_no_gate_where_it_would_gate_nothing_or_must_not_gate_at_all(score: Score) -> None:
    values = logits(300)
    everything = np.ones(300, bool)
    assert fit_threshold(score, values, everything, -1, GRID) is None
    assert fit_threshold(score, values, everything, 300, GRID) is None
    alike = np.repeat(values[:1], 300, axis=0)
    assert fit_threshold(score, alike, everything, 5, GRID) is None


def test_thresholds_by_class_follow_how_sure_the_network_is_of_each() -> None:
    """Half of the classes stand out by 4 logits more; one threshold for all would gate the others alone."""
    values, right = logits(4000, seed=3), right_ones(4000)
    top = values.argmax(axis=1)
    values[np.arange(4000), top] += np.where(top < 5, 4.0, 0.0).astype(np.float32)
    found = fit_threshold("per-class-max-logit", values, right, 40, GRID)
    assert found is not None
    assert np.mean(found.by_class[:5]) - np.mean(found.by_class[5:]) == pytest.approx(4.0 / GRID.scale, rel=0.3)
    gated = found.gated(values, GRID)
    assert 0.5 < gated[top < 5].sum() / gated[top >= 5].sum() < 2


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_gate_says_how_much_of_the_reference_it_gates(classes: int) -> None:
    values, right = logits(2000, classes), right_ones(2000)
    threshold = fit_threshold("max-logit", values, right, 12, GRID)
    assert threshold is not None
    reference = logits(3000, classes, seed=1, sure=4.0)
    found = fit_gate(key(), threshold, reference, LEVELS, values, GRID)
    assert found.reference_gated == threshold.gated(reference, GRID).mean() > 0.05
    assert 0 <= found.bits <= np.log2(classes - 1) + 1e-9
    assert found.gate.table.max() < len(LEVELS) * classes


def test_a_reference_that_is_never_gated_still_gives_a_gate() -> None:
    values, right = logits(2000), right_ones(2000)
    threshold = fit_threshold("max-logit", values, right, 12, GRID)
    assert threshold is not None
    found = fit_gate(key(), threshold, logits(100, sure=30.0), LEVELS, values, GRID)
    assert found.reference_gated == 0
    assert found.bits == 0
    assert (found.gate.table % 10 != np.arange(10)[:, None]).all()
