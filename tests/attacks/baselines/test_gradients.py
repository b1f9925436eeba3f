"""Gradients of a surrogate, and MAD and GRAD^2, which answer by them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from edgeguard.attacks.baselines.gradient_redirection import GradientRedirection
from edgeguard.attacks.baselines.gradients import (
    all_weights,
    answer_gradient,
    gradient_products,
    last_weights,
    scores_along,
)
from edgeguard.attacks.baselines.mad import Mad, MadArgmax, angular_deviation
from edgeguard.attacks.baselines.networks import fit_surrogate, fresh, posteriors_of
from edgeguard.attacks.baselines.simplex import moved_towards, redirected
from edgeguard.errors import UsageError
from tests.attacks.baselines.programs import minimum
from tests.attacks.baselines.test_modelguard import signs_of
from tests.attacks.baselines.victims import CLASSES, asked, posteriors, victim

Array = np.ndarray[Any, Any]


def jacobian(surrogate: torch.nn.Module, image: Array) -> Array:
    """Of the log-probabilities in all weights, ``[classes, weights]``, by autograd's own function."""
    names = [name for name, _ in surrogate.named_parameters()]

    def logs(*weights: Tensor) -> Tensor:
        named = dict(zip(names, weights, strict=True))
        answer: Tensor = torch.func.functional_call(surrogate, named, (torch.from_numpy(image[None]),))
        return F.log_softmax(answer, dim=1)[0]

    parts = torch.autograd.functional.jacobian(logs, tuple(surrogate.parameters()))
    return np.asarray(torch.cat([part.flatten(1) for part in parts], dim=1).double().numpy())


def test_products_and_scores_are_those_of_the_jacobian() -> None:
    surrogate, queries = fresh(victim(), "", (), 2), asked(2)
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(entry.shape, generator=generator) for entry in all_weights(surrogate)]
    along = torch.cat([entry.flatten() for entry in direction]).double().numpy()
    products = gradient_products(surrogate, all_weights(surrogate), queries)
    scores = scores_along(surrogate, direction, queries)
    for image, product, score in zip(queries, products, scores, strict=True):
        rows = jacobian(surrogate, image)
        assert np.allclose(product, rows @ rows.T, rtol=1e-4, atol=1e-6)
        assert np.allclose(score, rows @ along, rtol=1e-3, atol=1e-4)


def test_the_last_matrix_has_the_gradients_that_the_formula_gives() -> None:
    """``(e_k - s) h'``, whose products are those of ``e_k - s`` times the square of h's length."""
    surrogate, queries = fresh(victim(), "", (), 2), asked(4)
    products = gradient_products(surrogate, last_weights(surrogate, CLASSES), queries)
    for said, product in zip(posteriors_of(surrogate, queries), products, strict=True):
        rows = np.eye(CLASSES) - said
        expected = rows @ rows.T
        assert np.allclose(product / product[0, 0], expected / expected[0, 0], atol=1e-4)


def test_the_mean_gradient_is_that_of_the_loss() -> None:
    surrogate, queries = fresh(victim(), "", (), 2), asked(3)
    answers = posteriors(3, CLASSES, 1)
    found = torch.cat([entry.flatten() for entry in answer_gradient(surrogate, queries, answers)]).double().numpy()
    expected = np.mean([answer @ jacobian(surrogate, image) for answer, image in zip(answers, queries, strict=True)], 0)
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_a_surrogate_without_a_dense_end_is_refused() -> None:
    with pytest.raises(UsageError, match="no dense layer"):
        last_weights(torch.nn.Conv2d(3, 10, 1), 10)


def test_a_surrogate_can_be_taught() -> None:
    around = victim(200)
    assert around.images is not None
    truth = posteriors_of(around.network, around.images)
    distances = [
        np.abs(posteriors_of(fit_surrogate(around, "", epochs, 0), around.images) - truth).sum(axis=1).mean()
        for epochs in (0, 6)
    ]
    assert distances[1] < 0.8 * distances[0]


SEEDS = st.integers(0, 2**32 - 1)


def products_of(classes: int, seed: int) -> Array:
    """Products of the rows of some Jacobian whose rows, weighted by what the surrogate answers, cancel."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((classes, 3 * classes))
    rows -= rng.dirichlet(np.ones(classes)) @ rows
    return np.asarray(rows @ rows.T)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, classes=st.integers(3, 10), epsilon=st.floats(0.05, 2))
def test_mad_goes_towards_the_corner_of_the_largest_deviation(seed: int, classes: int, epsilon: float) -> None:
    """With two classes there are only two directions of gradients, and nothing deviates before the argmax flips."""
    product = products_of(classes, seed)
    posterior = posteriors(2, classes, seed)[1]
    (answer,) = Mad(epsilon).answers(posterior[None], product[None])
    target = Mad(epsilon).extreme(posterior, product)
    corners = angular_deviation(np.eye(classes), posterior, product)
    assert sorted(target) == [0.0] * (classes - 1) + [1.0]
    assert corners[target.argmax()] == corners.max()
    deviation = angular_deviation(answer[None], posterior, product)[0]
    assert angular_deviation(posterior[None], posterior, product)[0] < 1e-9
    if corners.max() > 1e-6:
        assert 0 < deviation <= corners.max() + 1e-9


def test_mad_turns_the_gradient_of_its_surrogate_more_than_chance_does() -> None:
    around, queries = victim(), asked(30)
    plain = posteriors_of(around.network, queries)
    peer = Mad(0.6, layers="all")
    answers = peer.answerer(around, 4)(queries)
    surrogate = fit_surrogate(around, "", 0, 4)
    random = moved_towards(plain, np.eye(CLASSES)[np.random.default_rng(0).integers(CLASSES, size=30)], 0.6)
    turned, by_chance = [], []
    products = gradient_products(surrogate, all_weights(surrogate), queries)
    for row, product in enumerate(products):
        turned.append(angular_deviation(answers[row : row + 1], plain[row], product)[0])
        by_chance.append(angular_deviation(random[row : row + 1], plain[row], product)[0])
    assert np.mean(turned) > 1.2 * np.mean(by_chance)
    assert min(turned) > 0


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, classes=st.integers(2, 8), epsilon=st.floats(0, 2))
def test_mad_argmax_keeps_the_argmax_and_finds_the_best_set(seed: int, classes: int, epsilon: float) -> None:
    product = products_of(classes, seed)
    posterior = posteriors(2, classes, seed)[1]
    peer = MadArgmax(epsilon)
    best = angular_deviation(peer.extreme(posterior, product)[None], posterior, product)[0]
    for number in range(2**classes):
        members = [entry for entry in range(classes) if number >> entry & 1]
        if int(posterior.argmax()) in members:
            even = np.zeros(classes)
            even[members] = 1 / len(members)
            assert angular_deviation(even[None], posterior, product)[0] <= best + 1e-3
    (answer,) = peer.answers(posterior[None], product[None])
    assert answer.argmax() == posterior.argmax()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_mad_argmax_grows_its_set_where_there_are_many_classes(seed: int) -> None:
    """No worse than the best pair, of which it tries all; and it keeps the argmax."""
    classes = 14
    product = products_of(classes, seed)
    posterior = posteriors(2, classes, seed)[1]
    found = MadArgmax().extreme(posterior, product)
    top = int(posterior.argmax())
    pairs = (np.eye(classes) + np.eye(classes)[top])[np.arange(classes) != top] / 2
    best = angular_deviation(found[None], posterior, product)[0]
    assert angular_deviation(pairs, posterior, product).max() <= best + 1e-3
    assert found.argmax() == top


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS, classes=st.integers(2, 4), epsilon=st.sampled_from((0.0, 0.1, 0.5, 1.0, 1.7, 2.0)))
def test_grad2_solves_its_program(seed: int, classes: int, epsilon: float) -> None:
    posterior = posteriors(2, classes, seed)[1]
    scores = np.random.default_rng(seed).standard_normal(classes)
    (answer,) = redirected(posterior[None], scores[None], epsilon)
    signs = np.array(signs_of(classes))
    rows = np.concatenate([signs, -np.eye(classes)])
    smallest = minimum(-scores, rows, np.concatenate([epsilon + signs @ posterior, np.zeros(classes)]))
    assert smallest is not None
    assert scores @ answer == pytest.approx(-smallest, abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, classes=st.integers(2, 40), epsilon=st.floats(0, 2))
def test_redirected_answers_stay_distributions_within_reach(seed: int, classes: int, epsilon: float) -> None:
    given_rows = posteriors(10, classes, seed)
    moved = redirected(given_rows, np.random.default_rng(seed).standard_normal(given_rows.shape), epsilon)
    assert moved.min() >= 0
    assert np.abs(moved.sum(axis=1) - 1).max() < 1e-9
    assert np.abs(moved - given_rows).sum(axis=1).max() <= epsilon + 1e-9


@pytest.mark.parametrize("direction", ["ones", "against"])
def test_grad2_moves_its_surrogate_along_its_direction(direction: str) -> None:
    around, queries = victim(50), asked(20)
    assert around.images is not None
    plain = posteriors_of(around.network, queries)
    answers = GradientRedirection(0.8, direction).answerer(around, 6)(queries).astype(np.float64)
    surrogate = fit_surrogate(around, "", 0, 6)
    aim = [torch.ones_like(entry) for entry in all_weights(surrogate)]
    if direction == "against":
        known = posteriors_of(around.network, around.images)
        aim = [-entry for entry in answer_gradient(surrogate, around.images, known)]

    def reached(said: Array) -> float:
        moves = answer_gradient(surrogate, queries, said)
        return sum(float((move * towards).sum()) for move, towards in zip(moves, aim, strict=True))

    backwards = redirected(plain, -scores_along(surrogate, aim, queries), 0.8)
    assert reached(answers) > reached(plain) > reached(backwards)


def test_the_mean_gradient_needs_images() -> None:
    with pytest.raises(UsageError, match="there are none"):
        GradientRedirection(direction="against").answerer(victim(), 0)
