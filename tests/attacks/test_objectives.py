"""Objectives: rotations are drawn, and their loss is what its formula says."""

from __future__ import annotations

import math

import torch
from torch import nn

from edgeguard.attacks.isolation import isolated, seeded
from edgeguard.attacks.objectives import Rotations, Supervised, objective_of
from edgeguard.attacks.students.lenet import lenet


def test_cross_entropy_of_a_network_that_knows_nothing_is_that_of_guessing() -> None:
    network = lenet(classes=8)
    nn.init.zeros_(network.linear.weight)
    nn.init.zeros_(network.linear.bias)
    images, targets = torch.rand(6, 1, 28, 28), torch.rand(6, 8).softmax(dim=1)
    assert math.isclose(float(Supervised()(network, images, targets).detach()), math.log(8), rel_tol=1e-5)
    rotations = objective_of("s4l", network, torch.Generator().manual_seed(0))
    assert isinstance(rotations, Rotations)
    nn.init.zeros_(rotations.head.weight)
    nn.init.zeros_(rotations.head.bias)
    assert math.isclose(float(rotations(network, images, targets).detach()), math.log(8) + math.log(4), rel_tol=1e-5)


def test_rotations_can_be_learnt_and_the_head_learns_them() -> None:
    # One corner is bright: where it is after turning says the rotation.
    with seeded(0):
        network = lenet(size=16)
        rotations = Rotations(network.linear.in_features, torch.Generator().manual_seed(0))
    images = torch.zeros(24, 1, 16, 16)
    images[:, :, 2:7, 2:7] = 2
    targets = torch.full((24, 10), 0.1)
    optimizer = torch.optim.Adam([*network.parameters(), *rotations.parameters()], 3e-3)
    with isolated():
        for _ in range(40):
            optimizer.zero_grad()
            loss = rotations(network, images, targets)
            loss.backward()
            optimizer.step()
    # What is left is the entropy of uniform targets.
    assert float(loss.detach()) < math.log(10) + 0.1


def test_leaves_the_images_alone() -> None:
    images = torch.rand(8, 1, 28, 28)
    before = images.clone()
    network = lenet()
    objective_of("s4l", network, torch.Generator().manual_seed(0))(network, images, torch.full((8, 10), 0.1))
    assert torch.equal(images, before)
