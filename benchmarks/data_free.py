"""ResNet-20 in int8 without any data: what images made from BatchNorm statistics are worth, beside real ones and noise.

.venv/bin/python benchmarks/data_free.py --reference ../shared/reference
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import ModelProto

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edgeguard.calibration.collect import collect
from edgeguard.calibration.effort import PLAIN, Effort, chosen
from edgeguard.calibration.observers import find_observer
from edgeguard.calibration.sets import array_set
from edgeguard.cpu import this_cpu
from edgeguard.export.loading import LoadRequest, load_model
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize, probe, quantizable_tensors
from edgeguard.export.prepare import prepare
from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.equalize import Equalize
from edgeguard.export.refining.partial import Trial
from edgeguard.export.refining.refine import IMAGES, refined
from edgeguard.export.synthetic import synthesize
from edgeguard.preprocess import Preprocess
from edgeguard.runtimes.ort_session import open_session, run_session
from edgeguard.targets import find_target

RESULT = Path(__file__).parent / "results" / "data_free.md"
IMAGENET = Preprocess((32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
EFFORTS = {
    "min-max": PLAIN,
    "mse": replace(PLAIN, observer="mse"),
    "fast": chosen("fast"),
    "balanced": chosen("balanced"),
    "balanced, equalized": chosen("balanced", ("equalize",)),
}
TARGET = find_target("arm64")
_BLOCK = 500
Array = np.ndarray[Any, Any]


def accuracy(model: ModelProto, images: Array, labels: Array) -> float:
    """Share of images whose class is right."""
    session = open_session(model.SerializeToString())
    right = 0
    for start in range(0, len(images), _BLOCK):
        logits = run_session(session, IMAGENET(images[start : start + _BLOCK]), None)
        right += int((logits.argmax(axis=1) == labels[start : start + _BLOCK]).sum())
    return right / len(images)


def quantized(model: ModelProto, inputs: Array, effort: Effort) -> ModelProto:
    """The network in int8, its ranges and refinements from ``inputs``."""
    if Equalize.name in effort.refinements:
        model = run_passes(model, [Equalize()])
    tensors = quantizable_tensors(model)
    data = array_set(inputs, synthetic=True)
    found = collect(probe(model, tensors), model.graph.input[0].name, tensors, data, find_observer(effort.observer))
    draft = Draft.of(model, found.ranges, lambda source, ranges: run_passes(source, [Quantize(TARGET, ranges)]))
    return refined(draft, effort, Trial(data, min(IMAGES, len(data)), None), _Silent())[0].quantized


class _Silent:
    """A reporter for nobody."""

    def step(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass

    def progress(self, done: int, total: int) -> None:
        pass


def noise(count: int) -> Array:
    """Uniform pixels: what a user without data might try first."""
    return IMAGENET(np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True)
    reference = parser.parse_args().reference
    sys.path.insert(0, str(reference))
    import imgpack

    train = imgpack.load(reference / "data" / "cifar10_train_1.npz")["x"]
    test = imgpack.load(reference / "data" / "cifar10_test.npz")
    weights = reference / "models" / "resnet20_cifar10.pt"
    loaded = load_model(LoadRequest(weights, "tests.networks:resnet20", input_shape=(3, 32, 32)))
    assert loaded.module is not None
    model = prepare(loaded, TARGET).graph.model
    begin = time.monotonic()
    made = synthesize(
        loaded.module,
        loaded.input_shape,
        preprocess=IMAGENET,
        count=64,
        batch=None,
        seconds=600.0,
        progress=lambda *_: None,
    )
    seconds = time.monotonic() - begin
    sets = {
        "256 training images": IMAGENET(train[:256]),
        "64 training images": IMAGENET(train[:64]),
        "64 synthetic images": made,
        "64 images of uniform noise": noise(64),
    }
    exact = accuracy(model, test["x"], test["y"])
    rows = []
    for name, inputs in sets.items():
        found = [accuracy(quantized(model, inputs, effort), test["x"], test["y"]) for effort in EFFORTS.values()]
        rows.append(f"| {name} | {' | '.join(f'{value:.2%}' for value in found)} |")
        print(rows[-1], flush=True)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime", "numpy"))
    RESULT.write_text(
        "# Calibration without data\n\n"
        f"`.venv/bin/python benchmarks/data_free.py --reference ...`, {datetime.date.today()}, "
        f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}.\n\n"
        "ResNet-20 in int8 for `arm64`, on all 10,000 CIFAR-10 test images; ranges and refinements\n"
        f"come from the images named. In float: {exact:.2%}. The synthetic images took {seconds:.0f} s, "
        f"{torch.get_num_threads()} threads.\n\n"
        f"| ranges from | {' | '.join(EFFORTS)} |\n| --- | {' | '.join('---' for _ in EFFORTS)} |\n"
        + "\n".join(rows)
        + "\n\nThe last row is there to keep the others honest: that synthetic images do no harm to a network is shown"
        " here,\nthat they beat noise only where noise loses something.\n"
    )


def _processor() -> str:
    return " ".join((this_cpu().model or platform.machine()).split()[:2])


if __name__ == "__main__":
    main()
