"""Changed copies of images: mirrored, or moved by a few pixels. To a person each shows the same thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.strategy import Asking
from edgeguard.attacks.transfer import TransferSet
from edgeguard.errors import UsageError

__all__ = ["Change", "ask_with", "mirrored", "moved"]

Array = np.ndarray[Any, Any]
# From images [n, channels, height, width] to changed ones of the same shape.
Change = Callable[[Array, np.random.Generator], Array]

# Of the height and the width: what an image is moved by at most, but at least by one pixel.
_PARTS = 16


def mirrored(images: Array, rng: np.random.Generator) -> Array:  # noqa: ARG001  (a Change draws, this one need not)
    """Left and right exchanged."""
    return images[..., ::-1]


def moved(images: Array, rng: np.random.Generator) -> Array:
    """Each by a sixteenth of its size both up or down and left or right, at random; edges are repeated."""
    height, width = images.shape[-2:]
    steps = np.maximum(1, np.array([height, width]) // _PARTS)
    signs = rng.choice([-1, 1], (2, len(images), 1))
    rows = np.clip(np.arange(height) + signs[0] * steps[0], 0, height - 1)
    columns = np.clip(np.arange(width) + signs[1] * steps[1], 0, width - 1)
    index = np.arange(len(images))[:, None, None]
    # The channels stand last where two indices have one between them.
    found = images[index, :, rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(found.transpose(0, 3, 1, 2))


def ask_with(*changes: Change) -> Asking:
    """Each image as it is, and once more for each change: so much an image costs."""

    def ask(oracle: Oracle, inputs: Array, seed: int) -> TransferSet:
        if inputs.ndim != 4:
            raise UsageError(f"only images can be mirrored and moved, not inputs {list(inputs.shape[1:])}")
        rng = np.random.default_rng([seed, 3])
        answers = oracle.ask(inputs)
        again = [oracle.ask(change(inputs, rng)) for change in changes]
        return TransferSet(inputs, answers, np.stack(again, axis=1), len(inputs) * (1 + len(changes)))

    return ask
