"""What a thief takes for likely: logits that a classifier might have, and pairs of answers and posteriors made of them.

A row of logits is Gaussian, with a spread from nearly undecided to certain. How often each spread occurs he learns from
his answers: their surest entries are distributed as those of his simulated answers, mixed in unknown shares, and the
shares are found by expectation maximization (Dempster, Laird and Rubin, 1977). Where answers show no confidence, as
labels do not, all spreads stay equally likely.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.knowledge import Shadow
from edgeguard.defenses.numpy_ops import NumpyOps

__all__ = ["fitted_prior", "posteriors_of", "shadow_pairs"]

Array = np.ndarray[Any, Any]

# Standard deviations of a row's logits.
_SPREADS = (0.3, 12.0)
_COMPONENTS = 12
_BINS = 40
_STEPS = 100
# Simulated rows of each component.
_SIMULATED = 2000


def fitted_prior(answers: Array, shadow: Shadow, count: int, seed: int) -> Array:
    """Logits whose spreads explain the answers, ``[n, classes]``: float32 ``[count, classes]``, each row of mean zero.

    :param shadow: the thief's own copy of the defense.
    """
    rng = np.random.default_rng([seed, 2])
    classes = answers.shape[1]
    component = np.repeat(np.arange(_COMPONENTS), _SIMULATED)
    simulated = shadow(_rows(rng, classes, _places(rng, component)), seed).max(axis=1)
    surest = answers.max(axis=1)
    edges = np.unique(np.quantile(np.concatenate([simulated, surest]), np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = len(edges) + 1
    seen = np.bincount(np.searchsorted(edges, surest), minlength=bins) / len(surest)
    places = np.searchsorted(edges, simulated).reshape(_COMPONENTS, _SIMULATED)
    expected = np.stack([np.bincount(own, minlength=bins) + 1e-3 for own in places]) / _SIMULATED
    chosen = rng.choice(_COMPONENTS, count, p=_shares(seen, expected))
    return _rows(rng, classes, _places(rng, chosen))


def shadow_pairs(shadow: Shadow, logits: Array, seed: int) -> tuple[Array, Array]:
    """Answers that the thief's copy of the defense gives, and the posteriors behind them, both ``[n, classes]``."""
    return shadow(logits, seed), posteriors_of(logits)


def posteriors_of(logits: Array) -> Array:
    """Softmax, float32."""
    return NumpyOps().softmax(logits)


def _shares(seen: Array, expected: Array) -> Array:
    """The shares of the components, ``[components]``, that make what is seen, ``[bins]``, likeliest."""
    shares = np.full(len(expected), 1 / len(expected))
    for _ in range(_STEPS):
        joint = shares[:, None] * expected
        shares = (joint / joint.sum(axis=0) * seen).sum(axis=1)
        shares /= shares.sum()
    return shares


def _places(rng: np.random.Generator, component: Array) -> Array:
    """Where in the range of spreads, 0..1, rows of these components lie."""
    return np.asarray((component + rng.random(len(component))) / _COMPONENTS)


def _rows(rng: np.random.Generator, classes: int, places: Array) -> Array:
    """Centred, as a trained network's logits are nearly: gates that look at the largest logit see its scale."""
    low, high = np.log(_SPREADS)
    logits = rng.standard_normal((len(places), classes)) * np.exp(low + places * (high - low))[:, None]
    return np.asarray(logits - logits.mean(axis=1, keepdims=True), np.float32)
