"""The host post-processor: the defense of an artifact whose graph was left alone, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.defenses.head import Head, posterior
from edgeguard.defenses.ops import NumpyOps
from edgeguard.defenses.registry import Defense

__all__ = ["PostProcessor"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class PostProcessor:
    """Turns what a network ends in into answers.

    :param defense: ``None`` gives the plain posterior.
    """

    head: Head
    defense: Defense | None

    def __call__(self, raw: Array) -> Array:
        """Answers, float32 ``[batch, classes]``, from the network's last tensor of the same shape."""
        ops = NumpyOps()
        value = posterior(ops, self.head, raw)
        return value if self.defense is None else self.defense.respond(ops, value)
