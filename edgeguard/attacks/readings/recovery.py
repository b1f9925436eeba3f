"""Recovery: a learned inverse of the defense, whose estimates of the posteriors are believed.

The recovery of D-DAE (Chen et al., IEEE S&P 2023) with what an adaptive thief adds: his own copy of the defense makes
the pairs to learn from, of logits whose spread he fits to his answers (:mod:`edgeguard.attacks.prior`), and the inverse
treats all classes alike (:mod:`edgeguard.attacks.class_blind`). For dcp at beta 1.2 on a ResNet-20 asked CIFAR-100
images it comes as close to the posteriors as one that was shown the true pairs does: 0.27 from 1.51 in mean L1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.class_blind import class_blind
from edgeguard.attacks.inverse import fit_inverse
from edgeguard.attacks.knowledge import Shadow
from edgeguard.attacks.prior import fitted_prior, shadow_pairs
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, TransferSet

__all__ = ["RECOVERY", "believe_recovered", "recovered"]

Array = np.ndarray[Any, Any]

_PAIRS = 20_000


def recovered(answers: Array, shadow: Shadow, seed: int) -> Array:
    """Estimates of the posteriors behind answers, float32 ``[n, classes]``."""
    prior = fitted_prior(answers, shadow, _PAIRS, seed)
    return class_blind(fit_inverse)(*shadow_pairs(shadow, prior, seed), seed)(answers)


def believe_recovered(transfer: TransferSet, thief: Thief) -> Lesson:
    """Targets from the inverse; the answers as they are if the thief knows of no defense."""
    shadow = thief.knowledge.shadow
    targets = transfer.answers if shadow is None else recovered(transfer.answers, shadow, thief.seed)
    return Lesson(transfer.inputs, targets, np.arange(len(transfer)))


RECOVERY = Strategy(
    "recovery", "trains on what a learned inverse of the defense makes of the answers", believe_recovered
)
