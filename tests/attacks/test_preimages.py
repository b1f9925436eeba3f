"""Solutions behind answers: all of them are found, each once, and the plausible ones weigh most."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeguard.attacks.plausibility import expected_posteriors, grid_spacing, plausibility
from edgeguard.attacks.preimages import Preimages, preimages
from edgeguard.attacks.prior import posteriors_of

Array = np.ndarray[Any, Any]


def centred(logits: Array) -> Array:
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))


def drawn(rows: int, classes: int = 3, seed: int = 0) -> Array:
    return centred(np.random.default_rng(seed).standard_normal((rows, classes)) * 1.5)


def mirrored(logits: Array) -> Array:
    """Answers that forget the sign of centred logits: each has exactly the two solutions z and -z."""
    away = centred(logits.astype(np.float64))
    return np.concatenate([away**2, away * np.roll(away, 1, axis=1)], axis=1)


def test_what_softmax_made_is_solved_exactly() -> None:
    logits = drawn(40)
    found = preimages(posteriors_of(logits), posteriors_of, drawn(40, seed=1)[None])
    assert found.found.all()
    np.testing.assert_allclose(found.logits[0], logits, atol=1e-4)
    np.testing.assert_allclose(found.posteriors[0], posteriors_of(logits), atol=1e-5)


def test_each_solution_counts_once() -> None:
    logits = drawn(30)
    starts = np.stack([drawn(30, seed=seed) for seed in range(1, 9)])
    solutions = preimages(mirrored(logits), mirrored, starts)
    assert (solutions.found.sum(axis=0) <= 2).all()
    both = solutions.found.sum(axis=0) == 2
    # Eight random starts all end at the same one of two in 2 rows of 2^8.
    assert both.mean() > 0.8
    for row in np.flatnonzero(both):
        one, other = solutions.logits[solutions.found[:, row], row]
        np.testing.assert_allclose(one, -other, atol=1e-3)
        np.testing.assert_allclose(np.abs(one), np.abs(logits[row]), atol=1e-3)


def test_the_volume_is_that_of_the_map() -> None:
    # Softmax of centred logits in the two directions that change it: det of diag(p) - p p^T there is 3 p1 p2 p3.
    logits = drawn(20)
    posteriors = posteriors_of(logits)
    solutions = preimages(posteriors, posteriors_of, logits[None])
    np.testing.assert_allclose(solutions.volume[0], np.log(3 * posteriors.prod(axis=1)), atol=0.02)


def test_what_cannot_be_answered_is_not_found() -> None:
    impossible = np.array([[0.9, 0.9, 0.9]])
    solutions = preimages(impossible, posteriors_of, np.zeros((2, 1, 3)))
    assert not solutions.found.any()
    assert (plausibility(solutions) == 0).all()
    otherwise = np.array([[0.2, 0.3, 0.5]], np.float32)
    np.testing.assert_array_equal(expected_posteriors(solutions, otherwise), otherwise)


def test_directions_that_answers_hide_make_no_solution() -> None:
    def largest(asked: Array) -> Array:
        return np.asarray(asked.max(axis=1, keepdims=True))

    logits = drawn(10)
    assert not preimages(largest(logits), largest, logits[None]).found.any()


def stacked(*logits: Array) -> Preimages:
    every = np.stack(logits)
    return Preimages(every, np.ones(every.shape[:2], bool), np.zeros(every.shape[:2]))


def spacing_of(logits: Array) -> float | None:
    return grid_spacing(stacked(logits), np.ones((1, len(logits))))


@pytest.mark.parametrize("spacing", [0.11, 0.3])
def test_the_spacing_of_int8_logits_shows(spacing: float) -> None:
    steps = np.rint(drawn(500, classes=10) * 2 / spacing)
    assert spacing_of(steps * spacing) == pytest.approx(spacing, rel=1e-3)
    assert spacing_of(drawn(500, classes=10) * 3) is None


def test_too_few_answers_show_no_spacing() -> None:
    assert spacing_of(np.rint(drawn(20) / 0.2) * 0.2) is None


def test_solutions_on_the_grid_are_believed() -> None:
    true, false = np.rint(drawn(600, classes=10) * 2 / 0.25) * 0.25, drawn(600, classes=10, seed=1) * 3
    solutions = stacked(true, false)
    # Of the first half nothing but the right solution was found.
    solutions.found[1, :300] = False
    weights = plausibility(solutions)
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    assert (weights[1, :300] == 0).all()
    assert weights[0, 300:].mean() > 0.99
    np.testing.assert_allclose(
        expected_posteriors(solutions, true)[:300], posteriors_of(true[:300].astype(np.float32)), atol=1e-6
    )


def test_what_other_answers_show_to_be_common_is_believed() -> None:
    # One class's logits lie about a mean of their own; false solutions lie elsewhere.
    rng = np.random.default_rng(0)
    common = centred(np.array([4.0, 1.0, -2.0, -3.0]) + rng.standard_normal((400, 4)) * 0.3)
    strange = centred(np.array([4.0, -3.0, 1.0, -2.0]) + rng.standard_normal((400, 4)) * 3)
    solutions = stacked(common, strange)
    solutions.found[1, :200] = False
    assert plausibility(solutions)[0, 200:].mean() > 0.9
