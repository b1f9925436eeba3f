"""Write the image sets of the grids beside this file from the reference data, and train the LeNets that they attack.

``python -m benchmarks.evaluation.prepare --reference DIR --into DIR``; takes about two minutes if the victims are
trained anew (``--train``), otherwise seconds. Grids name their files relative to themselves, so they are copied along.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["main"]

Array = np.ndarray[Any, Any]

HERE = Path(__file__).resolve().parent
LENETS = {"fashion": HERE / "lenet_fashion_mnist.pt", "mnist": HERE / "lenet_mnist.pt"}
# Training images of Fashion-MNIST: to train the victim, to tune it, what its owner takes for queries, the thief's.
TRAINED, TUNED, KNOWN, STOLEN = slice(0, 40_000), slice(40_000, 45_000), slice(45_000, 50_000), slice(50_000, 60_000)
CALIBRATED = slice(0, 256)
# Of MNIST there are the test images only: to train the other victim, and to test it.
TRAINED_DIGITS, TESTED_DIGITS = slice(0, 8_000), slice(8_000, 10_000)
# CIFAR-10's test images, of which a published network has seen none; and CIFAR-100's training images.
TUNED_TEST, TEST = slice(0, 2_000), slice(2_000, 10_000)
_EPOCHS = {"fashion": 10, "mnist": 40}


def main() -> None:
    """Prepare everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True, help="the reference data")
    parser.add_argument("--into", type=Path, required=True, help="where the grids and their files go")
    parser.add_argument("--train", action="store_true", help="train the LeNets anew, and keep them beside this script")
    options = parser.parse_args()
    images = _Images(options.reference)
    into: Path = options.into
    into.mkdir(parents=True, exist_ok=True)
    _write_sets(images, into)
    if options.train:
        for kind in LENETS:
            _train_lenet(kind, into)
    for file in (*LENETS.values(), options.reference / "models" / "resnet20_cifar10.pt", *sorted(HERE.glob("*.toml"))):
        shutil.copyfile(file, into / file.name)


class _Images:
    """The packed sets of the reference data."""

    def __init__(self, reference: Path) -> None:
        self._folder = reference / "data"
        self._reader = _module(reference / "imgpack.py")

    def __call__(self, name: str, part: slice = slice(None)) -> dict[str, Array]:
        loaded = self._reader.load(self._folder / f"{name}.npz")
        return {"x": loaded["x"][part], "y": np.asarray(loaded["y"][part], np.int64)}


def _module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write_sets(images: _Images, into: Path) -> None:
    clothes = "fashion_mnist_train"
    sets = {
        "fashion-trained": images(clothes, TRAINED),
        "fashion-calibration": images(clothes, CALIBRATED),
        "fashion-tuning": images(clothes, TUNED),
        "fashion-known": images(clothes, KNOWN),
        "fashion-thief": images(clothes, STOLEN),
        "fashion-test": images("fashion_mnist_test"),
        "mnist-thief": images("mnist_test"),
        "mnist-trained": images("mnist_test", TRAINED_DIGITS),
        "mnist-test": images("mnist_test", TESTED_DIGITS),
        "cifar10-trained": images("cifar10_train_1"),
        "cifar10-calibration": images("cifar10_train_1", CALIBRATED),
        "cifar10-tuning": images("cifar10_test", TUNED_TEST),
        "cifar10-test": images("cifar10_test", TEST),
        "cifar100-known": images("cifar100_train_1"),
        "cifar100-thief": images("cifar100_train_2"),
        "cifar100-thief-all": _both(images("cifar100_train_2"), images("cifar100_train_3")),
    }
    for name, arrays in sets.items():
        np.savez(into / f"{name}.npz", **arrays)  # type: ignore[arg-type]


def _both(first: dict[str, Array], second: dict[str, Array]) -> dict[str, Array]:
    return {name: np.concatenate([first[name], second[name]]) for name in first}


def _train_lenet(kind: str, into: Path) -> None:
    import torch

    from edgeguard.attacks.recipe import Recipe
    from edgeguard.attacks.students.registry import parse_student
    from edgeguard.attacks.training import predict, train
    from edgeguard.attacks.transfer import Lesson

    with np.load(into / f"{kind}-trained.npz") as stored, np.load(into / f"{kind}-test.npz") as test:
        inputs, labels = _unit(stored["x"]), stored["y"]
        asked, truth = _unit(test["x"]), test["y"]
    lesson = Lesson(inputs, np.eye(10, dtype=np.float32)[labels], np.arange(len(inputs)))
    recipe = Recipe(epochs=_EPOCHS[kind], batch=64, rate=0.05, augmentation="none")
    network = train(parse_student("lenet"), lesson, recipe, 0)
    print(f"{kind}: {(predict(network, asked).argmax(axis=1) == truth).mean():.2%} of the test images", file=sys.stderr)
    torch.save(network.state_dict(), LENETS[kind])


def _unit(images: Array) -> Array:
    return np.asarray(images.reshape(-1, 1, *images.shape[1:3]) / np.float32(255), np.float32)


if __name__ == "__main__":
    main()
