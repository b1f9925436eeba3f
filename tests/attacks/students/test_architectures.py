"""Students are the networks of their papers: parameters counted, published weights loaded."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from edgeguard.attacks.students.registry import Student, build
from edgeguard.attacks.students.resnet_cifar import resnet20
from edgeguard.attacks.training import predict
from edgeguard.preprocess import Preprocess


def parameters(name: str, classes: int, shape: tuple[int, ...] = (3, 32, 32), width: int | None = None) -> int:
    with torch.device("meta"):
        network = build(Student(name, width), shape, classes)
    return sum(entry.numel() for entry in network.parameters())


@pytest.mark.parametrize(
    ("name", "millions"), [("resnet20", 0.27), ("resnet32", 0.46), ("resnet44", 0.66), ("resnet56", 0.85)]
)
def test_residual_networks_are_as_large_as_in_table_6_of_he_et_al(name: str, millions: float) -> None:
    assert round(parameters(name, 10) / 1e6, 2) == millions


def test_resnet20_has_the_parameters_that_its_layers_add_up_to() -> None:
    # 3 x 3 kernels: 3 to 16, six of 16, 16 to 32, five of 32, 32 to 64, five of 64; two for each of 688 maps; dense.
    kernels = 9 * (3 * 16 + 6 * 16**2 + 16 * 32 + 5 * 32**2 + 32 * 64 + 5 * 64**2)
    maps = 7 * 16 + 6 * 32 + 6 * 64
    assert parameters("resnet20", 10) == kernels + 2 * maps + 64 * 10 + 10 == 269_722


def test_wide_residual_networks_are_as_large_as_in_table_5_of_zagoruyko_and_komodakis() -> None:
    assert round(parameters("wrn28-10", 10) / 1e6, 1) == 36.5
    # Table 1 of their "Paying More Attention to Attention" (ICLR 2017).
    assert round(parameters("wrn16-2", 10) / 1e6, 1) == 0.7
    assert round(parameters("wrn16-1", 10) / 1e6, 1) == 0.2


def test_mobilenet_at_its_papers_width_has_the_parameters_of_its_papers_network() -> None:
    # Strides do not count: 3.4 million in table 4 of Sandler et al.; torchvision's own has exactly this many.
    assert parameters("mobilenet-v2", 1000, (3, 224, 224), width=32) == 3_504_872


def test_lenet_has_the_parameters_that_its_layers_add_up_to() -> None:
    layers = [(25 * 1 + 1) * 6, (25 * 6 + 1) * 16, (400 + 1) * 120, (120 + 1) * 84, (84 + 1) * 10]
    assert parameters("lenet", 10, (1, 28, 28)) == parameters("lenet", 10, (1, 32, 32)) == sum(layers) == 61_706


@pytest.mark.reference
def test_published_weights_load_and_answer_as_published(reference: Path, imgpack: ModuleType) -> None:
    network = resnet20()
    network.load_state_dict(torch.load(reference / "models" / "resnet20_cifar10.pt", weights_only=True), strict=True)
    test = imgpack.load(reference / "data" / "cifar10_test.npz")
    images = Preprocess((32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))(test["x"][:500])
    with np.load(reference / "golden" / "resnet20_cifar10_test_logits.npz") as stored:
        golden = stored[stored.files[0]][:500]
    np.testing.assert_allclose(predict(network.eval(), images), golden, atol=1e-3)
