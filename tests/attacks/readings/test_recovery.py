"""Recovery: what inverses and solutions regain where answers still tell it, and what they cannot where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgeguard.attacks.inverse import fit_inverse
from edgeguard.attacks.knowledge import Knowledge, knowledge_of
from edgeguard.attacks.prior import fitted_prior, posteriors_of
from edgeguard.attacks.readings.recovery import RECOVERY, recovered
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.registry import configure
from tests.attacks.stubs import RidgeTrainer, images, linear_victim, oracle_of, thief_with

Array = np.ndarray[Any, Any]


def answered(name: str, logits: Array, **parameters: str) -> tuple[Array, Knowledge]:
    defense = Defense(configure(name, parameters, logits.shape[1]))
    return np.asarray(defense.answer(NumpyOps(), Head("logits", logits.shape[1]), logits)), knowledge_of(defense)


def prior_of(answers: Array, knowledge: Knowledge) -> Array:
    assert knowledge.shadow is not None
    return fitted_prior(answers, knowledge.shadow, 4000, 1)


def distance(estimates: Array, posteriors: Array) -> float:
    return float(np.abs(estimates - posteriors).sum(axis=1).mean())


@pytest.mark.slow
@pytest.mark.reference
def test_dcp_is_undone_on_a_trained_network(reference: Path) -> None:
    # Issue 5: recovery brings dcp of beta 1.2 to L1 <= 0.35. Here on images of the network's own kind.
    with np.load(reference / "golden" / "resnet20_cifar10_test_logits.npz") as stored:
        logits = stored[stored.files[0]][:1500]
    answers, knowledge = answered("dcp", logits, beta="1.2")
    posteriors = posteriors_of(logits)
    assert distance(answers, posteriors) > 1.5
    learnt = recovered(answers, replace(knowledge, exact=False), 0)
    assert distance(learnt, posteriors) <= 0.35
    solved = recovered(answers, knowledge, 0)
    assert distance(solved, posteriors) < distance(learnt, posteriors) / 1.5
    np.testing.assert_allclose(solved.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("spacing", [None, 0.25], ids=["float", "int8"])
def test_solving_comes_nearer_than_learning_and_nearest_to_logits_on_a_grid(spacing: float | None) -> None:
    logits = (np.random.default_rng(0).standard_normal((600, 10)) * 4).astype(np.float32)
    if spacing is not None:
        logits = np.rint(logits / spacing).astype(np.float32) * spacing
    answers, knowledge = answered("dcp", logits, beta="1.2")
    posteriors = posteriors_of(logits)
    learnt = distance(recovered(answers, replace(knowledge, exact=False), 0), posteriors)
    solved = distance(recovered(answers, knowledge, 0), posteriors)
    assert solved < learnt / (1.1 if spacing is None else 2)


@pytest.mark.parametrize("name", ["label", "round", "top-k"])
def test_answers_that_keep_too_little_are_not_solved(name: str) -> None:
    logits = (np.random.default_rng(0).standard_normal((300, 10)) * 4).astype(np.float32)
    answers, knowledge = answered(name, logits)
    assert knowledge.exact
    np.testing.assert_array_equal(
        recovered(answers, knowledge, 0), recovered(answers, replace(knowledge, exact=False), 0)
    )


@pytest.mark.parametrize("spread", [1.0, 6.0])
def test_the_prior_is_as_sure_as_the_victim(spread: float) -> None:
    logits = (np.random.default_rng(0).standard_normal((3000, 10)) * spread).astype(np.float32)
    prior = prior_of(*answered("reverse-sigmoid", logits))
    np.testing.assert_allclose(prior.mean(axis=1), 0, atol=1e-4)
    # Deviations of ten centred Gaussians are sqrt(9/10) of theirs.
    assert prior.std(axis=1).mean() == pytest.approx(spread * np.sqrt(0.9), rel=0.15)


def test_labels_say_nothing_of_how_sure_a_network_is() -> None:
    for spread in (1.0, 6.0):
        logits = (np.random.default_rng(0).standard_normal((1000, 10)) * spread).astype(np.float32)
        # The spreads stay spread evenly on their logarithm, from 0.3 to 12: geometric mean sqrt(3.6).
        found = prior_of(*answered("label", logits)).std(axis=1)
        assert np.exp(np.log(found).mean()) == pytest.approx(np.sqrt(3.6 * 0.9), rel=0.1)


def test_an_inverse_of_a_known_map_and_nothing_global() -> None:
    rng = np.random.default_rng(0)
    posteriors = rng.dirichlet(np.full(4, 0.5), 4000).astype(np.float32)
    answers = posteriors[:, [1, 2, 3, 0]]
    before = torch.random.get_rng_state()
    inverse = fit_inverse(answers, posteriors, 3)
    again = fit_inverse(answers, posteriors, 3)
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(inverse(answers[:50]), again(answers[:50]))
    assert distance(inverse(answers), posteriors) < distance(answers, posteriors) / 10
    # Far from everything it has seen it still answers with a distribution.
    odd = np.zeros((1, 4), np.float32)
    np.testing.assert_allclose(inverse(odd).sum(), 1, atol=1e-5)


def test_who_knows_of_no_defense_believes_the_answers() -> None:
    transfer = RECOVERY.asking(oracle_of(linear_victim()), images(30), 0)
    lesson = RECOVERY.reading(transfer, thief_with(RidgeTrainer()))
    np.testing.assert_array_equal(lesson.targets, transfer.answers)
    assert len(lesson.kept) == 30
