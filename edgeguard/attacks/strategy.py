"""A training strategy: how each image is asked, how the answers are read, and how the clone learns from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.recipe import Objective
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, TransferSet

__all__ = ["Asking", "Reading", "Strategy", "ask_once"]

Array = np.ndarray[Any, Any]

# Asks an oracle inputs [n, *input_shape], each in its own way; the seed decides what is drawn.
Asking = Callable[[Oracle, Array, int], TransferSet]
# What a thief makes of his answers.
Reading = Callable[[TransferSet, Thief], Lesson]


def ask_once(oracle: Oracle, inputs: Array, seed: int) -> TransferSet:  # noqa: ARG001  (an Asking draws, this one need not)
    """Each image once, as it is."""
    answers = oracle.ask(inputs)
    return TransferSet(inputs, answers, np.empty((len(inputs), 0, answers.shape[1]), np.float32), len(inputs))


@dataclass(frozen=True, slots=True)
class Strategy:
    """One training strategy.

    :param reading: from answers to targets: as they are, their labels, what a learned inverse makes of them, or only
        those worth believing.
    :param asking: how each image is asked.
    :param cost: queries that one image costs.
    :param objective: of the training.
    :param version: raised whenever the same answers would be read otherwise than before.
    """

    name: str
    summary: str
    reading: Reading
    asking: Asking = ask_once
    cost: int = 1
    objective: Objective = "supervised"
    version: int = 1
