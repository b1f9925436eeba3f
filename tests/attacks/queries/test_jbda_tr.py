from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from edgeguard.attacks.prior import posteriors_of
from edgeguard.attacks.queries.jbda_tr import jbda_tr_queries, random_targets, stepped
from edgeguard.attacks.readings.naive import NAIVE
from edgeguard.attacks.readings.smoothing import SMOOTHING
from edgeguard.attacks.students.registry import Student
from edgeguard.attacks.training import predict
from edgeguard.attacks.transfer import Lesson, Pool
from edgeguard.errors import UsageError
from tests.attacks.stubs import RidgeTrainer, images, linear_victim, oracle_of, thief_with

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize(("strategy", "queries"), [(NAIVE, 200), (NAIVE, 2), (NAIVE, 131), (SMOOTHING, 203)])
def test_doubles_seeds_and_truncates_the_last_round_to_the_budget(strategy: Any, queries: int) -> None:
    oracle, trainer = oracle_of(linear_victim(), queries), RidgeTrainer()
    found = jbda_tr_queries(oracle, Pool(images(50)), queries, strategy, thief_with(trainer))
    bought = queries // strategy.cost
    assert len(found) == bought
    assert found.queries == oracle.asked == bought * strategy.cost
    sizes = [len(lesson) for lesson in trainer.lessons]
    seeds = max(2, -(-bought // 64))
    expected = []
    while seeds < bought:
        expected.append(seeds)
        seeds = min(2 * seeds, bought)
    assert sizes == expected


def test_steps_move_towards_the_target_and_stay_within_a_tenth_of_the_range_and_within_the_pool() -> None:
    pool = Pool(images(400, seed=3))
    answers = linear_victim()(pool.inputs)
    student = RidgeTrainer()(Student("lenet"), Lesson(pool.inputs, answers, np.arange(400)), thief_with(None).recipe, 0)
    inputs = pool.inputs[:100]
    targets = random_targets(answers[:100].argmax(axis=1), 10, np.random.default_rng(0))
    made = stepped(student, inputs, targets, pool)
    rows = np.arange(100)
    before, after = (posteriors_of(predict(student, x))[rows, targets] for x in (inputs, made))
    assert (after > before).all()
    # The victim follows where the student leads: its posterior of the target rises nearly always, and much.
    truth_before, truth_after = (linear_victim()(x)[rows, targets] for x in (inputs, made))
    assert (truth_after > truth_before).mean() > 0.9
    assert np.median(truth_after / truth_before) > 3
    span = pool.inputs.max() - pool.inputs.min()
    assert np.abs(made - inputs).max() <= 0.1 * span + 1e-5
    assert pool.inputs.min() <= made.min()
    assert made.max() <= pool.inputs.max()
    assert made.dtype == np.float32


def test_targets_are_any_class_but_the_answered_one() -> None:
    labels = np.repeat(np.arange(4), 500)
    targets = random_targets(labels, 4, np.random.default_rng(1))
    table = np.zeros((4, 4), int)
    np.add.at(table, (labels, targets), 1)
    assert (np.diag(table) == 0).all()
    # 500/3 expected, standard deviation 10.5: five of them.
    assert (np.abs(table[~np.eye(4, dtype=bool)] - 500 / 3) < 53).all()
    assert (random_targets(np.array([0, 1]), 2, np.random.default_rng(0)) == [1, 0]).all()


def test_two_classes_and_seeds_decide_everything() -> None:
    pool = Pool(images(30))
    made = [
        jbda_tr_queries(oracle_of(linear_victim(2)), pool, 60, NAIVE, thief_with(RidgeTrainer(), seed=seed)).inputs
        for seed in (4, 4, 5)
    ]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def test_refuses_budgets_that_nothing_grows_from_and_pools_smaller_than_the_seeds() -> None:
    thief = thief_with(RidgeTrainer())
    for pool, queries in ((50, 1), (50, 0), (2, 200)):
        with pytest.raises(UsageError, match="grow from"):
            jbda_tr_queries(oracle_of(linear_victim()), Pool(images(pool)), queries, NAIVE, thief)


def test_leaves_torchs_threads_as_they_were() -> None:
    threads = torch.get_num_threads()
    jbda_tr_queries(oracle_of(linear_victim()), Pool(images(30)), 20, NAIVE, thief_with(RidgeTrainer()))
    assert torch.get_num_threads() == threads
