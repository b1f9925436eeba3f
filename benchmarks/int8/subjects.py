"""The networks to quantize, and the images that go with them, as files that every quantizer reads."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from PIL import Image

from benchmarks.cost.networks import NETS, Net, exact
from benchmarks.int8.module import folded

__all__ = ["CALIBRATED_ON", "KNOWN", "Subject", "given", "known"]

Array = np.ndarray[Any, Any]

CALIBRATED_ON = 256
# The classes of MobileNetV1 begin with the background.
_BACKGROUND = 1


@dataclass(frozen=True)
class Subject:
    """A network with its images; inputs are float32 ``[n, *shape]``, ready for the network.

    :param model: float ``.onnx``, ending in logits.
    :param module: the same as a pickled torch module, BatchNorm folded.
    :param labels: ``.npy`` of int64 ``[n]``, of the test images.
    :param run_ms: how long one run takes, about.
    """

    name: str
    model: Path
    module: Path | None
    calibration: Path
    test: Path
    labels: Path
    run_ms: float

    def unseen(self) -> Array:
        """Which test images are not among the calibration images, bool ``[n]``."""
        seen = set(map(_digest, np.load(self.calibration)))
        return np.array([_digest(image) not in seen for image in np.load(self.test, mmap_mode="r")])


@dataclass(frozen=True)
class _Pictures:
    """uint8 NCHW pixels, and what they show."""

    calibration: Array
    test: Array
    labels: Array


def known(name: str, reference: Path, place: Path) -> Subject:
    """One of :data:`KNOWN`, from the reference data; its files are written to ``place`` once."""
    net = NETS[name]
    files = {part: place / f"{name}.{part}.npy" for part in ("calibration", "test", "labels")}
    model, module = place / f"{name}.onnx", place / f"{name}.torch"
    # Written last.
    if not files["labels"].exists():
        place.mkdir(parents=True, exist_ok=True)
        onnx.save(exact(net, reference, place), model)
        torch.save(folded(net, reference), module)
        pictures = KNOWN[name](reference)
        np.save(files["calibration"], net.inputs(pictures.calibration))
        np.save(files["test"], net.inputs(pictures.test))
        np.save(files["labels"], pictures.labels.astype(np.int64))
    return Subject(name, model, module, run_ms=_run_ms(net), **files)


def given(name: str, model: Path, calibration: Path, test: Path, place: Path) -> Subject:
    """A network of the caller's.

    :param model: float ``.onnx`` with the input ``input``, ending in logits.
    :param calibration: ``.npy`` of finished inputs.
    :param test: ``.npz`` of ``x``, finished inputs, and ``y``.
    """
    place.mkdir(parents=True, exist_ok=True)
    files = place / f"{name}.test.npy", place / f"{name}.labels.npy"
    with np.load(test) as content:
        np.save(files[0], content["x"].astype(np.float32))
        np.save(files[1], content["y"].astype(np.int64))
    return Subject(name, model, None, calibration, files[0], files[1], run_ms=5.0)


def _cifar10(reference: Path) -> _Pictures:
    """The first training images to calibrate on, all test images."""
    load = _imgpack(reference)
    train, test = (load(reference / "data" / f"cifar10_{part}.npz") for part in ("train_1", "test"))
    return _Pictures(_nchw(train["x"][:CALIBRATED_ON]), _nchw(test["x"]), np.asarray(test["y"]))


def _imagenet(reference: Path) -> _Pictures:
    """All photos there are to test on, and every other one of them to calibrate on."""
    with np.load(reference / "data" / "imagenet_samples224_even.npz") as content:
        encoded, offsets, labels = content["jpeg"].tobytes(), content["offsets"], content["y"].astype(np.int64)
    jpegs = [encoded[start:end] for start, end in pairwise(offsets)]
    photos = _nchw(np.stack([np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in jpegs]))
    chosen = np.linspace(0, len(photos) - 1, CALIBRATED_ON).round().astype(int)
    return _Pictures(photos[chosen], photos, labels + _BACKGROUND)


KNOWN: dict[str, Callable[[Path], _Pictures]] = {"resnet20": _cifar10, "resnet8": _cifar10, "mobilenet": _imagenet}


def _run_ms(net: Net) -> float:
    return 5.0 if net.shape[1] > 32 else 0.5


def _nchw(pixels: Array) -> Array:
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def _digest(image: Array) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()


def _imgpack(reference: Path) -> Callable[[Path], dict[str, Array]]:
    spec = importlib.util.spec_from_file_location("imgpack", reference / "imgpack.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    load: Callable[[Path], dict[str, Array]] = module.load
    return load
