"""What a thief thinks likely before he has seen much: logits that a classifier might have, and pairs made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.knowledge import Shadow

__all__ = ["plain_prior", "posteriors_of", "refined_prior", "shadow_pairs"]

Array = np.ndarray[Any, Any]

# Standard deviations of a row's logits, from nearly undecided to certain.
_SPREADS = (0.3, 6.0)
# How much estimates are blurred before they serve as examples, so that the next inverse learns around them.
_BLUR = 0.3
_TINY = 1e-7


def plain_prior(classes: int, count: int, seed: int) -> Array:
    """Logits of any sharpness, no class preferred: float32 ``[count, classes]``, each row of mean zero."""
    rng = np.random.default_rng([seed, 1])
    spread = np.exp(rng.uniform(*np.log(_SPREADS), (count, 1)))
    return _centred(rng.standard_normal((count, classes)) * spread)


def refined_prior(estimates: Array, seed: int) -> Array:
    """Logits like those behind estimates of posteriors, ``[n, classes]``, each row a little sharper or flatter."""
    rng = np.random.default_rng([seed, 2])
    logits = np.log(np.maximum(estimates, _TINY))
    sharper = np.exp(rng.normal(0, _BLUR, (len(logits), 1)))
    return _centred(logits * sharper + rng.normal(0, _BLUR, logits.shape))


def shadow_pairs(shadow: Shadow, logits: Array, seed: int) -> tuple[Array, Array]:
    """Answers that the thief's copy of the defense gives, and the posteriors behind them, both ``[n, classes]``."""
    return shadow(logits, seed), posteriors_of(logits)


def posteriors_of(logits: Array) -> Array:
    """Softmax, float32."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _centred(logits: Array) -> Array:
    """Of mean zero, as a trained network's are nearly: gates that look at the largest logit see its scale."""
    return np.asarray(logits - logits.mean(axis=1, keepdims=True), np.float32)
