"""Published networks and real images, each read once a session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from onnx import ModelProto

from edgeguard.export.loading import LoadRequest, load_model
from edgeguard.export.prepare import prepare
from edgeguard.preprocess import Preprocess
from edgeguard.targets import find_target
from tests.export.graphs import Array

# The network was trained with ImageNet's statistics (README of the reference data).
IMAGENET = Preprocess((32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
ARCH = "tests.networks:resnet20"


@dataclass(frozen=True)
class Images:
    x: Array
    y: Array


def _images(imgpack: ModuleType, path: Path) -> Images:
    content = imgpack.load(path)
    return Images(content["x"], np.asarray(content["y"], np.int64))


@pytest.fixture(scope="session")
def cifar_test(reference: Path, imgpack: ModuleType) -> Images:
    """The 10,000 test images."""
    return _images(imgpack, reference / "data" / "cifar10_test.npz")


@pytest.fixture(scope="session")
def cifar_train(reference: Path, imgpack: ModuleType) -> Images:
    """The first 10,000 training images."""
    return _images(imgpack, reference / "data" / "cifar10_train_1.npz")


@pytest.fixture(scope="session")
def mnist_test(reference: Path, imgpack: ModuleType) -> Images:
    """The 10,000 test images."""
    return _images(imgpack, reference / "data" / "mnist_test.npz")


@pytest.fixture(scope="session")
def resnet20(reference: Path) -> ModelProto:
    """ResNet-20 from its state_dict, as every export prepares it."""
    request = LoadRequest(reference / "models" / "resnet20_cifar10.pt", ARCH, input_shape=(3, 32, 32))
    prepared = prepare(load_model(request), find_target("arm64"))
    assert prepared.classes == 10
    return prepared.graph.model
