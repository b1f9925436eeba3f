"""Training of students on what a thief has read from his answers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgeguard.attacks.augmentation import augmented
from edgeguard.attacks.isolation import isolated, seeded
from edgeguard.attacks.objectives import objective_of
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student, build
from edgeguard.attacks.transfer import Lesson
from edgeguard.cpu import this_cpu
from edgeguard.errors import UsageError

__all__ = ["device", "fit", "has_learnt", "predict", "rate_at", "slow_here", "train"]

Array = np.ndarray[Any, Any]

# The part of all steps in which the rate rises, and the part of its peak from which it does.
_WARM_UP = 0.1
_START = 0.04
# Images that are predicted at once.
_BLOCK = 500
# How often training is begun that came to nothing, and the share of what there is to learn below which it did.
_ATTEMPTS = 4
_LEAST = 0.02
# Nats that targets tell beyond their mean, below which they are all alike.
_NOTHING = 0.01
_LOOKED_AT = 2000
_TINY = 1e-9
# Features of CPUs that compute in bfloat16.
_NATIVE = frozenset({"bf16", "avx512_bf16", "amx_bf16"})


def device() -> torch.device:
    """Where students are trained: the first GPU that torch can use, or else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def slow_here(recipe: Recipe) -> str | None:
    """Why this machine would train by a recipe far slower than others, in a sentence; ``None`` if it would not.

    Measured on an x86 processor with AVX2 alone: clones that take 200 s where bfloat16 is native took 27 to 40 minutes.
    """
    if recipe.precision != "bfloat16" or device().type != "cpu" or not _NATIVE.isdisjoint(this_cpu().features):
        return None
    return "this processor has no instructions for bfloat16: training takes about ten times as long as where there are"


def train(student: Student, lesson: Lesson, recipe: Recipe, seed: int) -> nn.Module:
    """A clone, in evaluation mode, answering with logits ``[n, classes]``.

    The same machine gives the same clone for the same arguments, whatever its global generators and its number of
    threads are; both are left as they were. It takes one thread: clones are trained side by side.

    A clone that has learnt nothing at the end, as happens where the rate is too high for it, is trained again at half
    the rate, three times at most: a thief sees that on his own answers, and does not leave it so.

    :param lesson: as many classes as its targets have.
    :param seed: of weights, order, augmentation and rotations.
    :raises UsageError: the student cannot take such images, or ``s4l`` would have to turn images that are not square.
    """
    shape = lesson.inputs.shape[1:]
    if recipe.objective == "s4l" and shape[-1] != shape[-2]:
        raise UsageError(f"s4l rotates images, and these are not square: {list(shape)}")
    for halvings in range(_ATTEMPTS):
        clone = _attempt(student, lesson, replace(recipe, rate=recipe.rate / 2**halvings), seed)
        if has_learnt(clone, lesson):
            break
    return clone


def has_learnt(network: nn.Module, lesson: Lesson) -> bool:
    """Whether a network knows its lesson better than one whose answer is always the mean of the targets.

    :param network: in evaluation mode; 2,000 images, evenly spread, are looked at.
    """
    chosen = np.linspace(0, len(lesson) - 1, min(len(lesson), _LOOKED_AT)).astype(np.int64)
    targets = lesson.targets[chosen].astype(np.float64)
    logits = predict(network, lesson.inputs[chosen]).astype(np.float64)
    spread = logits - logits.max(axis=1, keepdims=True)
    loss = -(targets * (spread - np.log(np.exp(spread).sum(axis=1, keepdims=True)))).sum(axis=1).mean()
    mean = targets.mean(axis=0)
    constant = -(mean * np.log(np.maximum(mean, _TINY))).sum()
    entropy = -(targets * np.log(np.maximum(targets, _TINY))).sum(axis=1).mean()
    told = constant - entropy
    if told < _NOTHING:
        return bool(np.isfinite(loss))
    # Of what the targets tell beyond their mean it must know something; NaN is never less.
    return bool(loss < constant - _LEAST * told)


def _attempt(student: Student, lesson: Lesson, recipe: Recipe, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        network = build(student, lesson.inputs.shape[1:], lesson.targets.shape[1])
        objective = objective_of(recipe.objective, network, generator)
    return fit(network, objective, lesson, recipe, generator)


def fit(
    network: nn.Module, objective: nn.Module, lesson: Lesson, recipe: Recipe, generator: torch.Generator
) -> nn.Module:
    """Train a network that exists already, and return it in evaluation mode.

    :param objective: see :class:`~edgeguard.attacks.objectives.Loss`; its parameters are trained along.
    :param recipe: but for its objective.
    :param generator: draws order and augmentation; on the CPU.
    """
    where = device()
    network.to(where)
    objective.to(where)
    inputs = torch.from_numpy(np.ascontiguousarray(lesson.inputs, np.float32)).to(where)
    targets = torch.from_numpy(np.ascontiguousarray(lesson.targets, np.float32)).to(where)
    with isolated():
        _lay_out(network, _layout())
        _fit(network.train(), objective, inputs, targets, recipe, generator)
        _lay_out(network, torch.contiguous_format)
    return network.eval()


def rate_at(step: int, steps: int, peak: float) -> float:
    """The learning rate of a step: along a cosine up to its peak in the first tenth, along another down to zero.

    The one-cycle policy of Smith and Topin (2019), "Super-Convergence", with its momentum left alone.
    """
    warm = int(_WARM_UP * steps)
    if step < warm:
        return peak * (_START + (1 - _START) * (1 - math.cos(math.pi * step / warm)) / 2)
    return peak * (1 + math.cos(math.pi * (step - warm) / (steps - warm))) / 2


def predict(network: nn.Module, inputs: Array) -> Array:
    """Logits, float32 ``[n, classes]``.

    :param network: in evaluation mode.
    :param inputs: float32 ``[n, channels, height, width]``.
    """
    where = next(network.parameters()).device
    blocks = []
    with torch.inference_mode():
        for start in range(0, len(inputs), _BLOCK):
            block = torch.from_numpy(np.ascontiguousarray(inputs[start : start + _BLOCK], np.float32))
            blocks.append(network(block.to(where)).float().cpu().numpy())
    return np.concatenate(blocks)


def _layout() -> torch.memory_format:
    """How networks and images lie in memory while a student learns.

    With AVX-512 channels last is faster, by a third in float32 and by 40 % in bfloat16. With less, oneDNN in torch 2.13
    writes beyond its memory in that layout: the gradient of a convolution of 4 channels by 1x1 with stride 2 kills the
    process, or spoils it unnoticed.
    """
    wide = device().type == "cuda" or "avx512f" in this_cpu().features
    return torch.channels_last if wide else torch.contiguous_format


def _lay_out(network: nn.Module, layout: torch.memory_format) -> None:
    for entry in network.parameters():
        if entry.ndim == 4:
            entry.data = entry.data.contiguous(memory_format=layout)


def _fit(
    network: nn.Module,
    objective: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
) -> None:
    optimizer = _optimizer([*network.parameters(), *objective.parameters()], recipe)
    # Batches of one size, but for one image: the rest of an even division might be a single one.
    batches = -(-len(inputs) // recipe.batch)
    steps, layout = recipe.epochs * batches, _layout()
    for step in range(steps):
        if step % batches == 0:
            order = torch.randperm(len(inputs), generator=generator).to(inputs.device).tensor_split(batches)
        chosen = order[step % batches]
        images = augmented(inputs[chosen], recipe.augmentation, generator).contiguous(memory_format=layout)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps, recipe.rate)
        optimizer.zero_grad()
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            loss = objective(network, images, targets[chosen])
        loss.backward()
        optimizer.step()


def _optimizer(parameters: list[nn.Parameter], recipe: Recipe) -> torch.optim.SGD:
    decayed = [entry for entry in parameters if entry.ndim > 1]
    others = [entry for entry in parameters if entry.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)
