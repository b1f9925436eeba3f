"""Recovery: a learned inverse of the defense, whose estimates of the posteriors are believed.

The thief's own copy of the defense makes pairs to learn from. He begins with logits of any kind; the estimates for his
true answers then are better examples of what the victim says, and he learns again from those (as in empirical Bayes).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.inverse import fit_inverse
from edgeguard.attacks.knowledge import Shadow
from edgeguard.attacks.prior import plain_prior, refined_prior, shadow_pairs
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, TransferSet

__all__ = ["RECOVERY", "believe_recovered", "recovered"]

Array = np.ndarray[Any, Any]

_ROUNDS = 3
_PAIRS = 20_000


def recovered(answers: Array, shadow: Shadow, seed: int) -> Array:
    """Estimates of the posteriors behind answers, float32 ``[n, classes]``."""
    classes = answers.shape[1]
    plain = plain_prior(classes, _PAIRS, seed)
    prior, estimates = plain, answers
    for turn in range(_ROUNDS):
        pairs = shadow_pairs(shadow, prior, seed + turn)
        estimates = fit_inverse(*pairs, seed + turn)(answers)
        copies = -(-_PAIRS // len(answers))
        prior = np.concatenate(
            [plain[: _PAIRS // 4], refined_prior(np.tile(estimates, (copies, 1))[:_PAIRS], seed + turn)]
        )
    return estimates


def believe_recovered(transfer: TransferSet, thief: Thief) -> Lesson:
    """Targets from the inverse; the answers as they are if the thief knows of no defense."""
    shadow = thief.knowledge.shadow
    targets = transfer.answers if shadow is None else recovered(transfer.answers, shadow, thief.seed)
    return Lesson(transfer.inputs, targets, np.arange(len(transfer)))


RECOVERY = Strategy(
    "recovery", "trains on what a learned inverse of the defense makes of the answers", believe_recovered
)
