"""How far logits may move before a decision changes: moves below the margin change none, moves just beyond do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.decision import row_of
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import SCORES, Cells, Gate, Score
from edgeguard.defenses.head import Head, Query
from edgeguard.defenses.margin import gate_margin, log_odds, probability_margin
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.registry import DEFENSES
from edgeguard.defenses.response import is_table
from edgeguard.defenses.rounding import Round
from edgeguard.defenses.top_k import TopK
from edgeguard.export.golden import decision_margin
from tests.defenses.fitted import GRID, defense
from tests.defenses.strategies import CLASSES, SEEDS, logits_of

Array = np.ndarray[Any, Any]

EXACT = NumpyOps(np.float64)
# Noise decides on every step of every logit: its margin is zero.
NAMES = sorted(set(DEFENSES) - {"noise"})


def decisions(defense: Defense, logits: Array) -> list[Array]:
    """All that a defense decides about float64 logits: the class, the row, the gate and its class, the response's."""
    query = Query(EXACT, Head("logits", logits.shape[1]), logits, defense.grid)
    found, response, gate = [query.top], defense.response, defense.gate
    if gate is not None:
        closed = gate.closes(query)
        found += [closed, np.where(closed, gate.drawn(query, gate.table), -1)]
    if is_table(response):
        found.append(row_of(query, response.table_levels(), gate))
    if isinstance(response, Dcp):
        found.append(query.posterior.max(axis=-1) > response.beta)
    if isinstance(response, Round):
        found.append(np.rint(query.posterior * 10**response.digits))
    if isinstance(response, TopK):
        positive = logits - logits.min(axis=-1, keepdims=True) + 1
        found.append(EXACT.keep_largest(positive, response.k) > 0)
    return found


def changed(defense: Defense, before: Array, after: Array) -> Array:
    """Where any decision differs, bool ``[n]``."""
    pairs = zip(decisions(defense, before), decisions(defense, after), strict=True)
    return np.any([(first != second).reshape(len(before), -1).any(axis=1) for first, second in pairs], axis=0)


def moves(logits: Array, rng: np.random.Generator) -> list[Array]:
    """Directions: the class against the rest, each way; and at random."""
    worst = np.where(np.arange(logits.shape[1]) == logits.argmax(axis=1)[:, None], 1.0, -1.0)
    signs = [rng.choice([-1.0, 1.0], logits.shape) for _ in range(12)]
    return [worst, -worst, np.ones_like(worst), -np.ones_like(worst), *signs, rng.uniform(-1, 1, logits.shape)]


@pytest.mark.parametrize("score", [None, *SCORES])
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(["random", "confident", "tied", "spread"]),
    classes=st.sampled_from(CLASSES[:-1]),
    on_grid=st.booleans(),
    part=st.floats(0.5, 0.99),
    seed=SEEDS,
)
def test_moves_below_the_margin_change_no_decision(
    name: str, score: Score | None, kind: str, classes: int, on_grid: bool, part: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    logits = np.concatenate([logits_of(kind, classes, rng) for _ in range(8)]).astype(np.float64)
    if on_grid:
        logits = (GRID.steps(logits) - GRID.zero) * GRID.scale
    fitted = defense(name, Head("logits", classes), score, seed=seed % 1000)
    margin = decision_margin(logits, fitted)
    assert margin.shape == (len(logits),)
    assert (margin >= 0).all()
    # What is decided on float32 is decided a little beside the border, the more so the larger the numbers.
    wide = (margin > 1e-5) & (margin > 1e-5 * np.abs(logits.max(axis=1)))
    assume(wide.any())
    logits, margin = logits[wide], np.minimum(margin[wide], 300)
    for signs in moves(logits, rng):
        assert not changed(fitted, logits, logits + part * margin[:, None] * signs).any()


@pytest.mark.parametrize("score", [None, *SCORES])
@pytest.mark.parametrize("name", NAMES)
def test_the_margin_is_of_use(name: str, score: Score | None) -> None:
    """Moves of twice the margin change decisions, and few rows have no margin at all."""
    rng = np.random.default_rng(0)
    logits = np.concatenate([logits_of("random", 10, rng) for _ in range(60)]).astype(np.float64)
    fitted = defense(name, Head("logits", 10), score)
    margin = decision_margin(logits, fitted)
    beyond = [changed(fitted, logits, logits + 2 * margin[:, None] * signs) for signs in moves(logits, rng)]
    assert np.any(beyond, axis=0).mean() > 0.5
    assert (margin > 0.01).mean() > 0.5


def test_a_cell_ends_where_the_steps_of_its_direction_do() -> None:
    """The direction a - b of two logits, against none, offset 2: 4.4 - 1.6 steps are 4 - 2 = 2, not above; 4.5 - 1.6
    would be 3."""
    cells = Cells(((0, 0, 0), (1, -1, 0)), (0, 2))
    gate = Gate("max-logit", 100.0, cells, ((1, 2), (0, 2), (0, 1)))
    steps = np.array([[4.4, 1.6, 0.0], [4.4, 1.4, 0.0], [4.4, 0.9, 0.0], [5.4, 0.6, 0.0], [6.4, 0.6, 0.0]])
    logits = (steps - GRID.zero) * GRID.scale
    # Needed for the other cell: one step more; one less; one less; two less, one by each; three, the last by either.
    expected = np.array([0.1, 0.1, 0.6, 0.9, 1.9]) * GRID.scale
    assert cells.of(GRID.steps(logits)).tolist() == [0, 1, 1, 1, 1]
    np.testing.assert_allclose(gate_margin(gate, GRID, logits), expected)
    toward = np.array([[1, -1, 0], [-1, 1, 0], [-1, 1, 0], [-1, 1, 0], [-1, 1, 0]])
    for factor, same in ((0.99, True), (1.01, False)):
        moved = cells.of(GRID.steps(logits + factor * expected[:, None] * toward))
        assert ((moved == [0, 1, 1, 1, 1]) == same).all()


def test_a_gate_that_is_open_does_not_look_at_cells() -> None:
    gate = Gate("max-logit", 0.0, Cells(((0, 0, 0), (1, -1, 0)), (0, 0)), ((1, 2), (0, 2), (0, 1)))
    logits = (np.array([[10.0, 10.0, 10.0]]) - GRID.zero) * GRID.scale
    np.testing.assert_allclose(gate_margin(gate, GRID, logits), [10.5 * GRID.scale])


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.95])
def test_the_distance_to_a_probability_is_exact(threshold: float) -> None:
    logits = np.array([[3.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.3, 0.2, 0.1]])
    before = EXACT.softmax(logits)
    margin = probability_margin(before, threshold)
    toward = np.where(before.max(axis=1) > threshold, -1.0, 1.0)[:, None] * np.array([1.0, -1.0, -1.0])
    after = EXACT.softmax(logits + margin[:, None] * toward)
    np.testing.assert_allclose(after[:, 0], threshold)


def test_log_odds_do_not_saturate() -> None:
    logits = np.array([[0.0, -100.0], [-100.0, -200.0]])
    np.testing.assert_allclose(log_odds(EXACT.softmax(logits)), [[100, -100], [100, -100]])
    assert np.isinf(log_odds(np.array([[1.0, 0.0]]))).all()
