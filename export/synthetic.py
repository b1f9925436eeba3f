"""Calibration images without data: noise, moved until the network's BatchNorm layers see what they saw in training.

The idea of ZeroQ (Cai et al., CVPR 2020, equation 4): minimise, over the input, the distance between the mean and
standard deviation of what enters each BatchNorm layer and those the layer remembers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard.errors import BadModel
from edgeguard.export.batch_norms import Seen, Watch, watcher

if TYPE_CHECKING:
    import torch

    from edgeguard.preprocess import Preprocess

__all__ = ["synthesize"]

_STEPS = 200
_BATCH = 32
_LEARNING_RATE = 0.1
_EPSILON = 1e-6
# A seed makes two exports of one model equal; which one does not matter.
_SEED = 0


def synthesize(
    module: torch.nn.Module,
    input_shape: tuple[int, ...],
    *,
    preprocess: Preprocess | None,
    count: int,
    batch: int | None,
    seconds: float,
    progress: Callable[[int, int], None],
) -> np.ndarray[Any, Any]:
    """Synthetic inputs, float32 ``[count, *input_shape]``.

    :param module: the float network.
    :param preprocess: bounds the inputs to what an image can become.
    :param batch: the batch size that the network is fixed to, or ``None``; ``count`` becomes a multiple of it.
    :param seconds: stop improving after this long.
    :raises BadModel: the network has no BatchNorm to learn from.
    """
    watch = watcher(module)
    size = batch or _BATCH
    _refuse_without_batch_norm(watch, (size, *input_shape))
    deadline = time.monotonic() + seconds
    blocks = max(1, count // size)
    done: list[np.ndarray[Any, Any]] = []
    for block in range(blocks):
        share = (deadline - time.monotonic()) / (blocks - block)

        def tell(step: int, block: int = block) -> None:
            progress(block * _STEPS + step, blocks * _STEPS)

        done.append(_block(watch, (size, *input_shape), preprocess, _SEED + block, share, tell))
    return np.concatenate(done)


def _refuse_without_batch_norm(watch: Watch, shape: tuple[int, ...]) -> None:
    import torch

    with torch.no_grad():
        seen = watch(torch.zeros(shape))
    if not seen:
        raise BadModel(
            "there are no calibration images, and the network has no BatchNorm layer to make some from",
            fix="Pass some real ones: --calibration FOLDER_OR_NPZ, or put calibration.npz beside the model",
        )


def _block(
    watch: Watch,
    shape: tuple[int, ...],
    preprocess: Preprocess | None,
    seed: int,
    seconds: float,
    tell: Callable[[int], None],
) -> np.ndarray[Any, Any]:
    import torch

    deadline = time.monotonic() + seconds
    generator = torch.Generator().manual_seed(seed)
    low, high = (-4.0, 4.0) if preprocess is None else preprocess.value_range
    middle, spread = (low + high) / 2, (high - low) / 2
    # In units of half the range, so that one learning rate serves every preprocessing.
    free = (torch.randn(shape, generator=generator) / 2).requires_grad_()
    optimizer = torch.optim.Adam([free], lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    for step in range(_STEPS):
        inputs = free.clamp(-1, 1) * spread + middle
        # Not backward(): it would work out, and leave in the network, a gradient for every weight.
        (free.grad,) = torch.autograd.grad(_distance(watch(inputs)), free)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            free.clamp_(-1, 1)
        tell(step + 1)
        if time.monotonic() > deadline:
            break
    found: np.ndarray[Any, Any] = (free.detach().clamp(-1, 1) * spread + middle).numpy()
    if not np.isfinite(found).all():
        raise BadModel("its BatchNorm statistics lead to no finite image", fix="Pass real images: --calibration FOLDER")
    return found


def _distance(seen: Iterable[Seen]) -> torch.Tensor:
    import torch

    terms = [
        ((each.mean - each.wanted_mean) ** 2 + (each.std - each.wanted_std) ** 2).mean()
        / (each.wanted_std**2).mean().clamp(min=_EPSILON)
        for each in seen
    ]
    return torch.stack(terms).mean()
