"""Adaptive Misinformation: the gate, and the network that is wrong on purpose."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from edgeguard.attacks.baselines.adaptive_misinformation import AdaptiveMisinformation
from edgeguard.attacks.baselines.networks import Misinformation, fit_misinformation, posteriors_of
from edgeguard.attacks.baselines.protocol import PeerVictim
from tests.attacks.baselines.victims import CLASSES, asked, victim
from tests.networks import inputs


def test_the_loss_is_the_papers() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    targets = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    loss = Misinformation()(torch.nn.Identity(), logits, targets)
    assert loss.item() == pytest.approx(-(math.log(0.5) + math.log(0.9)) / 2, rel=1e-5)


def test_the_second_network_is_wrong_on_what_it_was_trained_on() -> None:
    around = victim(200)
    assert around.images is not None
    labels = posteriors_of(around.network, around.images).argmax(axis=1)
    wrong = posteriors_of(fit_misinformation(around, "", 6, 1), around.images)
    assert (wrong.argmax(axis=1) == labels).mean() < 0.02
    # Chance is 0.1.
    assert wrong[np.arange(len(labels)), labels].mean() < 0.05


def test_true_labels_count_for_more_than_what_the_network_says() -> None:
    images = inputs(128, seed=3).numpy()
    labels = np.full(128, 7)
    around = PeerVictim(victim().network, CLASSES, images, labels)
    assert posteriors_of(fit_misinformation(around, "", 2, 1), images)[:, 7].max() < 0.1


def test_a_smaller_architecture_serves_too() -> None:
    network = fit_misinformation(victim(64), "resnet20/4", 1, 0)
    assert sum(entry.numel() for entry in network.parameters()) < 20_000
    assert posteriors_of(network, asked(3)).shape == (3, CLASSES)


def test_the_gate_lets_through_what_is_sure() -> None:
    right = np.array([[0.95, 0.05, 0.0], [0.5, 0.3, 0.2], [0.9, 0.1, 0.0]])
    wrong = np.array([[0.0, 0.5, 0.5]] * 3)
    mixed = AdaptiveMisinformation(tau=0.9).mixed(right, wrong)
    assert mixed[0] == pytest.approx(right[0], abs=1e-12)
    assert mixed[1] == pytest.approx(wrong[1], abs=1e-12)
    # At the threshold the sigmoid is one half.
    assert mixed[2] == pytest.approx((right[2] + wrong[2]) / 2, abs=1e-12)


def test_answers_follow_the_gate() -> None:
    around, queries = victim(64), asked(60)
    plain = posteriors_of(around.network, queries)
    top = plain.max(axis=1)
    tau = float(np.median(top))
    answers = AdaptiveMisinformation(tau=tau, epochs=1).answerer(around, 0)(queries)
    moved = np.abs(answers - plain).sum(axis=1) > 1e-4
    assert (moved == (top < tau))[np.abs(top - tau) > 0.02].all()
    assert moved.any()
    assert not moved.all()
