"""Clones: ResNet-20s of 4, 8 and 16 channels, trained on answers to CIFAR-100 images, on one core."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.quality.victim import IMAGENET
from tests.networks import ResNet20

__all__ = ["EPOCHS", "Clone", "train_clone"]

Array = np.ndarray[Any, Any]

EPOCHS = 24
_BATCH = 64
_RATE = 0.1
_DECAY = 5e-4


@dataclass(frozen=True, eq=False)
class Clone:
    """What a clone answers.

    :param to_test: logits on the 10,000 CIFAR-10 test images.
    :param to_fresh: logits on images that it was not trained on.
    :param seconds: of training.
    """

    to_test: Array
    to_fresh: Array
    seconds: float


def train_clone(queries: Array, answers: Array, test: Array, fresh: Array, *, seed: int, kept: Path) -> Clone:
    """Train on soft answers by cross-entropy: SGD with momentum, one cosine cycle, mirrored and shifted images.

    :param queries: uint8 ``[n, 32, 32, 3]``.
    :param answers: ``[n, classes]``.
    :param kept: directory where clones are found again.
    """
    digest = hashlib.sha256(queries.tobytes() + answers.astype(np.float32).tobytes() + b"%d %d" % (seed, EPOCHS))
    file = kept / f"{digest.hexdigest()[:16]}.npz"
    if file.exists():
        with np.load(file) as stored:
            return Clone(stored["to_test"], stored["to_fresh"], float(stored["seconds"]))
    begin = time.monotonic()
    network = _trained(IMAGENET(queries), answers, seed)
    clone = Clone(_logits(network, test), _logits(network, fresh), time.monotonic() - begin)
    kept.mkdir(parents=True, exist_ok=True)
    np.savez(file, to_test=clone.to_test, to_fresh=clone.to_fresh, seconds=clone.seconds)
    return clone


def _trained(inputs: Array, answers: Array, seed: int) -> nn.Module:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = ResNet20(answers.shape[1], width=4).to(memory_format=torch.channels_last)
    decayed = [entry for entry in network.parameters() if entry.ndim > 1]
    others = [entry for entry in network.parameters() if entry.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": _DECAY}, {"params": others}], lr=_RATE, momentum=0.9, nesterov=True
    )
    steps = EPOCHS * -(-len(inputs) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=0.1)
    images, targets = torch.from_numpy(inputs), torch.from_numpy(answers.astype(np.float32))
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images)).split(_BATCH):
            batch = _moved(images[chosen]).contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad()
            F.cross_entropy(network(batch), targets[chosen]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _moved(images: Tensor) -> Tensor:
    """Half of the images mirrored, the batch shifted by up to four pixels."""
    mirrored = torch.rand(len(images)) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    down, right = torch.randint(0, 9, (2,)).tolist()
    return F.pad(images, (4, 4, 4, 4))[:, :, down : down + 32, right : right + 32]


@torch.inference_mode()
def _logits(network: nn.Module, images: Array) -> Array:
    blocks = [network(torch.from_numpy(IMAGENET(images[i : i + 500]))).numpy() for i in range(0, len(images), 500)]
    return np.concatenate(blocks)
