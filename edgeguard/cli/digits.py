"""What the demo trains: a small CNN on the 8 x 8 digits that scikit-learn ships."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard.extras import require

if TYPE_CHECKING:
    import torch

__all__ = ["Digits", "load_digits", "train"]

Array = np.ndarray[Any, Any]

_CALIBRATION, _VALIDATION = 200, 400
_EPOCHS, _BATCH = 25, 64


@dataclass(frozen=True, slots=True)
class Digits:
    """Images uint8 ``[n, 8, 8]`` and labels int64 ``[n]``, split; no image is in two parts."""

    train: tuple[Array, Array]
    calibration: tuple[Array, Array]
    validation: tuple[Array, Array]


def load_digits() -> Digits:
    """The 1,797 digits in a fixed shuffled order.

    :raises MissingExtra: scikit-learn is not installed.
    """
    loaded = require("sklearn.datasets", "demo").load_digits()
    order = np.random.default_rng(0).permutation(len(loaded.target))
    # The set counts ink in steps of 1/16; an image has 255 of them.
    images = np.rint(loaded.images[order] * (255 / 16)).astype(np.uint8)
    labels = loaded.target[order].astype(np.int64)
    first, second = _VALIDATION, _VALIDATION + _CALIBRATION
    return Digits(
        train=(images[second:], labels[second:]),
        calibration=(images[first:second], labels[first:second]),
        validation=(images[:first], labels[:first]),
    )


def train(images: Array, labels: Array) -> bytes:
    """Train the network and save it as ``torch.export.save`` does; its input is 0..1, ``[batch, 1, 8, 8]``.

    :raises MissingExtra: torch is not installed.
    """
    require("torch", "export")
    import torch

    torch.manual_seed(0)
    network = _network()
    inputs = torch.from_numpy(images[:, None].astype(np.float32) / 255)
    wanted = torch.from_numpy(labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    network.train()
    for _ in range(_EPOCHS):
        for part in torch.randperm(len(inputs)).split(_BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(inputs[part]), wanted[part]).backward()
            optimizer.step()
    network.eval()
    # Two images as a sample: a batch of one would be specialised to one.
    program = torch.export.export(network, (inputs[:2],), dynamic_shapes=({0: torch.export.Dim("batch")},))
    stream = io.BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()


def _network() -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
