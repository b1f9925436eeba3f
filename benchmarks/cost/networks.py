"""The networks whose defenses are timed, quantized once for each kind of head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from onnx import ModelProto
from torch import nn
from torch.nn import functional as F

from edgeguard.calibration.collect import collect
from edgeguard.calibration.observers import find_observer
from edgeguard.calibration.sets import array_set
from edgeguard.export.loading import LoadRequest, load_model
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize, probe, quantizable_tensors
from edgeguard.export.prepare import prepare
from edgeguard.targets import DEFAULT_TARGET, TARGETS, Target, find_target

__all__ = [
    "NETS",
    "HeadKind",
    "LeNet",
    "Net",
    "ResNet8",
    "Wide",
    "exact",
    "lenet",
    "pictures",
    "quantized",
    "resnet8",
    "wide",
]

Array = np.ndarray[Any, Any]
HeadKind = Literal["float", "int8"]
_CALIBRATED_ON = 64


class ResNet8(nn.Module):
    """ResNet8 of MLPerf Tiny: inputs ``[batch, 3, 32, 32]`` of 0..255, padded as TensorFlow's SAME does."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1)
        self.bn1 = nn.BatchNorm2d(16, eps=1e-3)
        before = 16
        for block, (after, stride) in enumerate(((16, 1), (32, 2), (64, 2)), 1):
            # At stride 2, SAME pads right and below only, which forward does.
            self.add_module(f"b{block}_conv1", nn.Conv2d(before, after, 3, stride, 1 if stride == 1 else 0))
            self.add_module(f"b{block}_bn1", nn.BatchNorm2d(after, eps=1e-3))
            self.add_module(f"b{block}_conv2", nn.Conv2d(after, after, 3, 1, 1))
            self.add_module(f"b{block}_bn2", nn.BatchNorm2d(after, eps=1e-3))
            if stride != 1:
                self.add_module(f"b{block}_short", nn.Conv2d(before, after, 1, stride))
            before = after
        self.fc = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layer = self.get_submodule
        x = F.relu(self.bn1(self.conv1(x)))
        for block in (1, 2, 3):
            padded = x if block == 1 else F.pad(x, (0, 1, 0, 1))
            y = F.relu(layer(f"b{block}_bn1")(layer(f"b{block}_conv1")(padded)))
            y = layer(f"b{block}_bn2")(layer(f"b{block}_conv2")(y))
            x = F.relu(y + (x if block == 1 else layer(f"b{block}_short")(x)))
        logits: torch.Tensor = self.fc(x.mean((2, 3)))
        return logits


class LeNet(nn.Module):
    """The size of LeNet-5: inputs ``[batch, 1, 28, 28]``."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.dense1 = nn.Linear(400, 120)
        self.dense2 = nn.Linear(120, 84)
        self.dense3 = nn.Linear(84, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        logits: torch.Tensor = self.dense3(F.relu(self.dense2(F.relu(self.dense1(x)))))
        return logits


class Wide(nn.Module):
    """A thousand classes behind separable convolutions as in MobileNet: inputs ``[batch, 3, 64, 64]``."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU6()]
        before = 16
        for after, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2)):
            layers += [nn.Conv2d(before, before, 3, stride, 1, groups=before), nn.ReLU6()]
            layers += [nn.Conv2d(before, after, 1), nn.ReLU6()]
            before = after
        self.features = nn.Sequential(*layers)
        self.dense = nn.Linear(before, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.dense(self.features(x).mean((2, 3)))
        return logits


def resnet8() -> ResNet8:
    """A factory for ``--arch``."""
    return ResNet8()


def lenet() -> LeNet:
    """A factory for ``--arch``."""
    return LeNet()


def wide() -> Wide:
    """A factory for ``--arch``."""
    return Wide()


@dataclass(frozen=True)
class Net:
    """A network to time.

    :param factory: ``module:function``, as ``--arch`` names it.
    :param weights: a file below the reference data's ``models``; ``None`` draws them.
    :param inputs: makes a number of inputs from pictures, uint8 ``[n, *shape]``, or of random ones.
    """

    name: str
    classes: int
    shape: tuple[int, int, int]
    factory: str
    weights: str | None
    inputs: Callable[[Array], Array]


def _unit(pixels: Array) -> Array:
    scaled: Array = pixels.astype(np.float32) / np.float32(255)
    return scaled


def _imagenet(pixels: Array) -> Array:
    mean, deviation = (
        np.array(row, np.float32)[:, None, None] for row in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    normal: Array = (_unit(pixels) - mean) / deviation
    return normal


def _raw(pixels: Array) -> Array:
    return pixels.astype(np.float32)


def _symmetric(pixels: Array) -> Array:
    scaled: Array = (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)
    return scaled


NETS = {
    net.name: net
    for net in (
        Net("resnet20", 10, (3, 32, 32), "tests.networks:resnet20", "resnet20_cifar10.pt", _imagenet),
        Net("resnet8", 10, (3, 32, 32), "benchmarks.cost.networks:resnet8", "resnet8_cifar10_mlperftiny.pt", _raw),
        Net(
            "mobilenet",
            1001,
            (3, 224, 224),
            "benchmarks.cost.mobilenet:mobilenet",
            "mobilenet_v1_0.25_224_imagenet_float.pt",
            _symmetric,
        ),
        Net("lenet", 10, (1, 28, 28), "benchmarks.cost.networks:lenet", None, _unit),
        Net("wide1000", 1000, (3, 64, 64), "benchmarks.cost.networks:wide", None, _unit),
    )
}


def exact(net: Net, reference: Path, scratch: Path) -> ModelProto:
    """The network in float, ending in logits, prepared as an export does."""
    request = LoadRequest(_weights(net, reference, scratch), net.factory, input_shape=net.shape)
    return prepare(load_model(request), find_target(DEFAULT_TARGET)).graph.model


def quantized(
    net: Net, reference: Path, scratch: Path, target: Target = TARGETS[DEFAULT_TARGET]
) -> dict[HeadKind, ModelProto]:
    """The network in int8 with either head, kept in ``scratch`` for the next time.

    Ranges come from noise: they decide no kernel, so that no image is needed to time a network.

    :param target: whose numeric types it takes.
    """
    kinds: tuple[HeadKind, ...] = ("float", "int8")
    types = f"{target.activation_type}-{target.weight_type}"
    places = {kind: scratch / f"{net.name}-{types}-{kind}.onnx" for kind in kinds}
    if not all(place.exists() for place in places.values()):
        model = exact(net, reference, scratch)
        tensors = quantizable_tensors(model)
        data = array_set(pictures(net, _CALIBRATED_ON), synthetic=True)
        found = collect(probe(model, tensors), model.graph.input[0].name, tensors, data, find_observer("min-max"))
        for kind, place in places.items():
            passed = run_passes(model, [Quantize(target, found.ranges, head=kind)])
            place.write_bytes(passed.SerializeToString())
    return {kind: onnx.load(place) for kind, place in places.items()}


def pictures(net: Net, count: int, *, seed: int = 0) -> Array:
    """Random inputs: coarse blocks of brightness and a little noise, ready for the network."""
    rng = np.random.default_rng(seed)
    channels, height, width = net.shape
    coarse = rng.integers(0, 256, (count, channels, 4, 4)).repeat(height // 4, axis=2).repeat(width // 4, axis=3)
    return net.inputs(np.clip(coarse + rng.integers(-20, 21, coarse.shape), 0, 255).astype(np.uint8))


def _weights(net: Net, reference: Path, scratch: Path) -> Path:
    if net.weights is not None:
        return reference / "models" / net.weights
    torch.manual_seed(0)
    drawn: nn.Module = {"lenet": lenet, "wide1000": wide}[net.name]()
    path = scratch / f"{net.name}.pt"
    torch.save(drawn.state_dict(), path)
    return path
