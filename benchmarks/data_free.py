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
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import ModelProto

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edgeguard.calibration.collect import collect
from edgeguard.calibration.observers import find_observer
from edgeguard.calibration.sets import array_set
from edgeguard.export.loading import LoadRequest, load_model
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize, probe, quantizable_tensors
from edgeguard.export.prepare import prepare
from edgeguard.export.synthetic import synthesize
from edgeguard.preprocess import Preprocess
from edgeguard.runtimes.ort_session import open_session, run_session
from edgeguard.targets import find_target

RESULT = Path(__file__).parent / "results" / "data_free.md"
IMAGENET = Preprocess((32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
OBSERVERS = ("min-max", "mse")
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


def quantized(model: ModelProto, inputs: Array, observer: str) -> ModelProto:
    """The network in int8, its ranges from ``inputs``."""
    tensors = quantizable_tensors(model)
    data = array_set(inputs, synthetic=True)
    found = collect(probe(model, tensors), model.graph.input[0].name, tensors, data, find_observer(observer))
    return run_passes(model, [Quantize(TARGET, found.ranges)])


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
        found = [accuracy(quantized(model, inputs, observer), test["x"], test["y"]) for observer in OBSERVERS]
        rows.append(f"| {name} | {' | '.join(f'{value:.2%}' for value in found)} |")
        print(rows[-1], flush=True)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime", "numpy"))
    RESULT.write_text(
        "# Calibration without data\n\n"
        f"`.venv/bin/python benchmarks/data_free.py --reference ...`, {datetime.date.today()}, "
        f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}.\n\n"
        "ResNet-20 in int8 for `arm64`, on all 10,000 CIFAR-10 test images; only the images that the ranges come from\n"
        f"differ. In float: {exact:.2%}. The synthetic images took {seconds:.0f} s, "
        f"{torch.get_num_threads()} threads.\n\n"
        f"| ranges from | {' | '.join(OBSERVERS)} |\n| --- | {' | '.join('---' for _ in OBSERVERS)} |\n"
        + "\n".join(rows)
        + "\n\nThe last row is there to keep the others honest: that synthetic images do no harm to a network is shown"
        " here,\nthat they beat noise only where noise loses something.\n"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split()[:2])
    return platform.machine()


if __name__ == "__main__":
    main()
