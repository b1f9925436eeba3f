from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.attacks.class_blind import class_blind
from edgeguard.attacks.knowledge import Knowledge, knowledge_of
from edgeguard.attacks.neighbours import fit_neighbours
from edgeguard.attacks.prior import fitted_prior, posteriors_of, shadow_pairs
from edgeguard.attacks.readings.bayes import BAYES, expected
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Grid, Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.registry import configure
from edgeguard.defenses.response import KeyedResponse
from edgeguard.keys import MasterKey
from tests.attacks.stubs import RidgeTrainer, images, linear_logits, oracle_of, thief_with

Array = np.ndarray[Any, Any]


def _distance(estimates: Array, truth: Array) -> float:
    return float(np.abs(estimates - truth).sum(axis=1).mean())


def test_a_noisy_maps_posterior_mean_is_recovered_better_than_by_the_answers() -> None:
    # Two posteriors, likely as 3 to 1, each answered with itself or, once in five times, with the other one.
    rng = np.random.default_rng(0)
    kinds = np.array([[0.8, 0.1, 0.1], [0.1, 0.6, 0.3]], np.float32)
    true = (rng.random(20_000) < 0.25).astype(int)
    answered = np.where(rng.random(20_000) < 0.2, 1 - true, true)
    estimates = fit_neighbours(kinds[answered], kinds[true], 0)(kinds)
    # Bayes: P(0 | 0) = 0.75 * 0.8 / (0.75 * 0.8 + 0.25 * 0.2), P(1 | 1) = 0.25 * 0.8 / (0.25 * 0.8 + 0.75 * 0.2).
    stays = np.array([0.6 / 0.65, 0.2 / 0.35])
    means = stays[:, None] * kinds + (1 - stays[:, None]) * kinds[::-1]
    np.testing.assert_allclose(estimates, means, atol=0.01)
    assert _distance(estimates, means) < _distance(kinds, means) / 10


@pytest.mark.parametrize(
    ("name", "parameters", "factor"),
    [("dcp", {"beta": "1.2"}, 2), ("reverse-sigmoid", {}, 2), ("transition", {}, 2), ("noise", {}, 1.2)],
)
def test_estimates_lie_nearer_to_the_truth_than_answers(name: str, parameters: dict[str, str], factor: float) -> None:
    response = configure(name, parameters, 10)
    if response.keyed:
        keyed: KeyedResponse = response  # type: ignore[assignment]
        response = keyed.drawn(MasterKey(bytes(32)), 10)
    defense = Defense(response, None, Grid(0.15, 0))
    logits = linear_logits(images(300))
    answers = np.asarray(defense.answer(NumpyOps(), Head("logits", 10), logits))
    shadow = knowledge_of(defense).shadow
    assert shadow is not None
    found, truth = expected(answers, shadow, 1), posteriors_of(logits)
    assert _distance(found, truth) < _distance(answers, truth) / factor


def test_class_blind_pairs_spare_an_inverse_the_thiefs_own_key() -> None:
    response: KeyedResponse = configure("transition", {}, 10)  # type: ignore[assignment]
    defense = Defense(response.drawn(MasterKey(bytes(32)), 10))
    logits = linear_logits(images(300))
    answers = np.asarray(defense.answer(NumpyOps(), Head("logits", 10), logits))
    shadow = knowledge_of(defense).shadow
    assert shadow is not None
    pairs = shadow_pairs(shadow, fitted_prior(answers, shadow, 8000, 0), 0)
    plain, blind = (fit(*pairs, 0)(answers) for fit in (fit_neighbours, class_blind(fit_neighbours)))
    assert _distance(blind, posteriors_of(logits)) < _distance(plain, posteriors_of(logits)) / 2


@settings(max_examples=30, deadline=None)
@given(classes=st.integers(2, 6), seed=st.integers(0, 99))
def test_class_blind_estimates_change_places_with_the_answers(classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = rng.dirichlet(np.ones(classes), 80), rng.dirichlet(np.ones(classes), 80)
    given_answers = rng.dirichlet(np.ones(classes), 5).astype(np.float32)
    order = rng.permutation(classes)
    inverse = class_blind(fit_neighbours)(*pairs, 0)
    found = inverse(given_answers)
    np.testing.assert_allclose(inverse(given_answers[:, order]), found[:, order], atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found >= 0).all()


def test_estimates_do_not_depend_on_what_else_is_asked() -> None:
    rng = np.random.default_rng(0)
    answers, truth, asked = (rng.dirichlet(np.ones(4), count) for count in (500, 500, 40))
    inverse = fit_neighbours(answers, truth, 0)
    np.testing.assert_allclose(inverse(asked)[:3], inverse(asked[:3]), atol=1e-6)
    # One pair says the same of everything.
    np.testing.assert_allclose(fit_neighbours(answers[:1], truth[:1], 0)(asked), truth[:1].repeat(40, 0), atol=1e-6)


def test_where_no_defense_is_known_the_answers_are_believed() -> None:
    transfer = BAYES.asking(oracle_of(lambda x: posteriors_of(linear_logits(x, 3))), images(12), 0)
    thief = thief_with(RidgeTrainer())
    assert np.array_equal(BAYES.reading(transfer, thief).targets, transfer.answers)
    known = thief_with(RidgeTrainer(), Knowledge(lambda logits, _: posteriors_of(logits)))
    read = BAYES.reading(transfer, known)
    assert not np.array_equal(read.targets, transfer.answers)
    # Of a defense that does nothing, the answers are the posteriors.
    assert _distance(read.targets, transfer.answers) < 0.05
