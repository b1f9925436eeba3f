from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.attacks.oracle import BudgetSpent
from edgeguard.attacks.queries.adaptive import Bandit, adaptive_queries, rewards
from edgeguard.attacks.readings.naive import NAIVE
from edgeguard.attacks.readings.smoothing import SMOOTHING
from edgeguard.attacks.transfer import Pool
from edgeguard.errors import UsageError
from tests.attacks.stubs import RidgeTrainer, images, linear_victim, oracle_of, thief_with

Array = np.ndarray[Any, Any]


def _marked_pool(count: int, classes: int) -> Pool:
    """Images whose first pixel is the number of their class."""
    inputs, labels = images(count), np.arange(count) % classes
    inputs[:, 0, 0, 0] = labels
    return Pool(inputs, labels.astype(np.int64))


def _interesting_one(inputs: Array) -> Array:
    """Sure of itself, and of any class, where the pool says 0; of all other images it knows nothing."""
    answers = np.full((len(inputs), 10), 0.1, np.float32)
    sure = np.flatnonzero(inputs[:, 0, 0, 0] == 0)
    answers[sure] = np.eye(10, dtype=np.float32)[(np.abs(inputs[sure, 0, 1, 1]) * 1e4).astype(int) % 10]
    return answers


def test_the_bandit_moves_to_the_class_whose_answers_are_sure_and_diverse() -> None:
    pool = _marked_pool(5000, 5)
    bought = adaptive_queries(oracle_of(_interesting_one), pool, 1000, NAIVE, thief_with(RidgeTrainer()))
    share = (bought.inputs[:, 0, 0, 0] == 0).mean()
    # A fifth if it drew blindly; 0.82 to 0.88 under six seeds.
    assert share > 0.7
    assert (bought.inputs[-200:, 0, 0, 0] == 0).mean() > share


@pytest.mark.parametrize(("strategy", "bought"), [(NAIVE, 203), (SMOOTHING, 50)])
def test_spends_what_the_budget_allows_on_images_that_differ(strategy: Any, bought: int) -> None:
    oracle, trainer = oracle_of(linear_victim(), 203), RidgeTrainer()
    found = adaptive_queries(oracle, _marked_pool(203, 7), 203, strategy, thief_with(trainer))
    assert len(found) == bought == 203 // strategy.cost
    assert found.queries == oracle.asked == bought * strategy.cost
    assert len(np.unique(found.inputs.reshape(bought, -1), axis=0)) == bought
    # After a quarter, a half and three quarters, as far as blocks of 25 tell them apart.
    assert [len(lesson) for lesson in trainer.lessons] == ([75, 125, 175] if bought == 203 else [25])


def test_the_same_seed_draws_the_same_images_and_another_seed_others() -> None:
    pool = _marked_pool(300, 3)
    drawn = [
        adaptive_queries(oracle_of(linear_victim()), pool, 100, NAIVE, thief_with(RidgeTrainer(), seed=seed)).inputs
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_refuses_pools_without_labels_and_budgets_that_do_not_fit() -> None:
    thief = thief_with(RidgeTrainer())
    with pytest.raises(UsageError, match="have none"):
        adaptive_queries(oracle_of(linear_victim()), Pool(images(9)), 5, NAIVE, thief)
    for queries in (0, 10):
        with pytest.raises(UsageError, match="the thief has 9"):
            adaptive_queries(oracle_of(linear_victim()), _marked_pool(9, 2), queries, NAIVE, thief)
    with pytest.raises(BudgetSpent):
        adaptive_queries(oracle_of(linear_victim(), 4), _marked_pool(9, 2), 5, NAIVE, thief)


@settings(max_examples=40, deadline=None)
@given(classes=st.integers(1, 6), count=st.integers(1, 60), scale=st.sampled_from([0.0, 1.0, 1e4]))
def test_a_bandit_uses_up_a_pool_whatever_it_is_paid(classes: int, count: int, scale: float) -> None:
    labels = np.random.default_rng(count).integers(0, classes, count) * 10
    bandit = Bandit(labels, np.random.default_rng(0))
    drawn: list[int] = []
    while len(drawn) < count:
        policy = bandit.policy
        assert policy.sum() == pytest.approx(1)
        assert (policy >= 0).all()
        images = bandit.draw(1)
        bandit.learn(images, scale * (labels[images] > 0))
        drawn += images.tolist()
    assert sorted(drawn) == list(range(count))


def test_rewards_are_the_mean_of_certainty_diversity_and_loss() -> None:
    answers = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]])
    mean = np.array([0.5, 0.25, 0.25])
    certainty, diversity = np.array([0.5, 1.0]), np.array([0.2, 0.75])
    np.testing.assert_allclose(rewards(answers, mean, None), (certainty + diversity) / 2)
    said = np.array([[0.2, 0.3, 0.5], [0.5, 0.25, 0.25]])
    # exp(-L) is the product of what was said, each to the power of what was answered.
    loss = 1 - np.array([0.2**0.7 * 0.3**0.2 * 0.5**0.1, 0.25])
    np.testing.assert_allclose(rewards(answers, mean, said), (certainty + diversity + loss) / 3)
