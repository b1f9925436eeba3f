"""Learned inverses: what they regain where answers still tell it, and what they cannot where they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgeguard.attacks.inverse import fit_inverse
from edgeguard.attacks.knowledge import knowledge_of
from edgeguard.attacks.prior import fitted_prior, posteriors_of
from edgeguard.attacks.readings.recovery import RECOVERY, recovered
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.registry import configure
from tests.attacks.stubs import RidgeTrainer, images, linear_victim, oracle_of, thief_with

Array = np.ndarray[Any, Any]


def answered(name: str, logits: Array, **parameters: str) -> tuple[Array, Any]:
    defense = Defense(configure(name, parameters, logits.shape[1]))
    return np.asarray(defense.answer(NumpyOps(), Head("logits", logits.shape[1]), logits)), knowledge_of(defense).shadow


def distance(estimates: Array, posteriors: Array) -> float:
    return float(np.abs(estimates - posteriors).sum(axis=1).mean())


@pytest.mark.slow
@pytest.mark.reference
def test_dcp_is_undone_on_a_trained_network(reference: Path) -> None:
    # Issue 5: recovery brings dcp of beta 1.2 to L1 <= 0.35. Here on images of the network's own kind.
    with np.load(reference / "golden" / "resnet20_cifar10_test_logits.npz") as stored:
        logits = stored[stored.files[0]]
    answers, shadow = answered("dcp", logits, beta="1.2")
    posteriors = posteriors_of(logits)
    assert distance(answers, posteriors) > 1.5
    estimates = recovered(answers, shadow, 0)
    assert distance(estimates, posteriors) <= 0.35
    np.testing.assert_allclose(estimates.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("spread", [1.0, 6.0])
def test_the_prior_is_as_sure_as_the_victim(spread: float) -> None:
    logits = (np.random.default_rng(0).standard_normal((3000, 10)) * spread).astype(np.float32)
    answers, shadow = answered("reverse-sigmoid", logits)
    prior = fitted_prior(answers, shadow, 4000, 1)
    np.testing.assert_allclose(prior.mean(axis=1), 0, atol=1e-4)
    # Deviations of ten centred Gaussians are sqrt(9/10) of theirs.
    assert prior.std(axis=1).mean() == pytest.approx(spread * np.sqrt(0.9), rel=0.15)


def test_labels_say_nothing_of_how_sure_a_network_is() -> None:
    for spread in (1.0, 6.0):
        logits = (np.random.default_rng(0).standard_normal((1000, 10)) * spread).astype(np.float32)
        answers, shadow = answered("label", logits)
        # The spreads stay spread evenly on their logarithm, from 0.3 to 12: geometric mean sqrt(3.6).
        found = fitted_prior(answers, shadow, 4000, 1).std(axis=1)
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
