"""Which of several logits behind an answer are the likely ones, by what all answers together say of the victim.

Empirical Bayes by expectation maximization: logits of one most likely class are Gaussian, with a mean and a covariance
that are learnt from the very solutions they weigh. That sorts out about half of dcp's wrong solutions.

A victim with an int8 head gives itself away more: its logits lie on a grid, and false solutions do not. The spacing of
the grid shows in the solutions that seem likeliest without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.preimages import Preimages
from edgeguard.attacks.prior import posteriors_of

__all__ = ["expected_posteriors", "grid_spacing", "plausibility"]

Array = np.ndarray[Any, Any]

_ROUNDS = 12
# Added to variances: squared logits.
_LEAST_VARIANCE = 0.05
# A class needs so much weight to have a Gaussian of its own; rarer ones share that of all.
_FEWEST_PER_CLASS = 30.0
# A spacing is looked for between these shares of the differences' standard deviation, each so much smaller than the
# last: over the hundreds of steps that logits span, an error must not add up to one.
_SPACINGS = (1 / 200, 1 / 4)
_RATIO = 1 - 4e-4
_WITNESSES = 1000
_FEWEST_WITNESSES = 400
# Smaller probabilities are not read precisely enough from a float32 answer.
_READABLE = 1e-4
# How clear a grid must be; of the thousands of spacings tried, chance brings one to 0.15.
_CLEAR = 0.4
# How far from the grid a solution may lie, in steps.
_OFF_GRID = 0.03
# Likelihood of lying off the grid all the same: what was found may not include the right solution.
_STRAY = 1e-3


def expected_posteriors(solutions: Preimages, otherwise: Array) -> Array:
    """The mean posterior behind each answer, float32 ``[n, classes]``.

    :param otherwise: what to take where nothing was found, ``[n, classes]``.
    """
    weights = plausibility(solutions)
    estimates = np.einsum("sn,snk->nk", weights, solutions.posteriors)
    found = np.asarray(solutions.found.any(axis=0))
    return np.asarray(np.where(found[:, None], estimates, otherwise), np.float32)


def plausibility(solutions: Preimages) -> Array:
    """Weights ``[starts, n]`` that sum to one over the solutions of each answer, and are nought beside them."""
    if not solutions.found.any():
        return np.zeros(solutions.found.shape)
    weights = _weighed(solutions, -solutions.volume)
    spacing = grid_spacing(solutions, weights)
    return weights if spacing is None else _weighed(solutions, _on_grid(solutions, spacing) - solutions.volume)


def _weighed(solutions: Preimages, evidence: Array) -> Array:
    """Weights by evidence and by how common such logits are."""
    weights = _normalized(evidence, solutions.found)
    for _ in range(_ROUNDS):
        weights = _normalized(evidence + _log_density(solutions.logits, weights), solutions.found)
    return weights


def grid_spacing(solutions: Preimages, weights: Array) -> float | None:
    """The step of quantized logits, or ``None`` if they lie on no grid.

    :param weights: of the solutions, ``[starts, n]``.
    """
    rows = np.flatnonzero(weights.any(axis=0))[:_WITNESSES]
    start = weights[:, rows].argmax(axis=0)
    logits = solutions.logits[start, rows]
    posteriors = posteriors_of(logits.astype(np.float32))
    differences = (logits - logits.max(axis=1, keepdims=True))[(posteriors > _READABLE) & (posteriors < 0.5)]
    if len(differences) < _FEWEST_WITNESSES:
        return None
    low, high = (share * differences.std() for share in _SPACINGS)
    spacings = high * _RATIO ** np.arange(np.log(low / high) / np.log(_RATIO))
    clear = _clearness(differences, spacings)
    if clear.max() < _CLEAR:
        return None
    # Of a grid every whole part of its spacing is one, too: the first peak that is nearly as clear.
    high_up = clear > 0.9 * clear.max()
    first = int(np.argmax(high_up))
    last = first + int(np.argmin(np.append(high_up[first:], False)))
    around = np.linspace(spacings[first] / _RATIO, spacings[last - 1] * _RATIO, 10 * (last - first + 2))
    return float(around[np.argmax(_clearness(differences, around))])


def _clearness(differences: Array, spacings: Array) -> Array:
    """How well each spacing explains the differences: 1 if all are whole numbers of steps."""
    return np.array([np.cos(2 * np.pi * differences / spacing).mean() for spacing in spacings])


def _on_grid(solutions: Preimages, spacing: float) -> Array:
    """Log likelihood of lying where the grid says, ``[starts, n]``."""
    steps = (solutions.logits - solutions.logits.max(axis=2, keepdims=True)) / spacing
    off = (steps - np.rint(steps)) * (solutions.posteriors > _READABLE)
    return np.asarray(np.log(np.exp(-((off / _OFF_GRID) ** 2).sum(axis=2) / 2) + _STRAY))


def _log_density(logits: Array, weights: Array) -> Array:
    """Of each solution under the Gaussian of its most likely class, ``[starts, n]``."""
    top, free = logits.argmax(axis=2), logits[..., :-1]
    density = np.empty(weights.shape)
    for own in range(logits.shape[2]):
        here = top == own
        share = float((weights * here).sum())
        known = slice(None) if share < _FEWEST_PER_CLASS else here
        mean, covariance = _gaussian(free[known], weights[known])
        apart = free[here] - mean
        distance = np.einsum("mi,ij,mj->m", apart, np.linalg.inv(covariance), apart)
        density[here] = np.log((share + 1) / weights.sum()) - (distance + np.linalg.slogdet(covariance)[1]) / 2
    return density


def _gaussian(points: Array, weights: Array) -> tuple[Array, Array]:
    """Mean and covariance of weighted points ``[..., d]``."""
    points, weights = points.reshape(-1, points.shape[-1]), weights.reshape(-1)
    points, weights = points[weights > 0], weights[weights > 0]
    total = max(float(weights.sum()), 1.0)
    mean = weights @ points / total
    apart = points - mean
    return mean, (weights[:, None] * apart).T @ apart / total + _LEAST_VARIANCE * np.eye(points.shape[1])


def _normalized(evidence: Array, found: Array) -> Array:
    best = np.where(found, evidence, -np.inf).max(axis=0)
    weights = np.where(found, np.exp(np.minimum(evidence - np.where(np.isfinite(best), best, 0), 0)), 0.0)
    return np.asarray(weights / np.maximum(weights.sum(axis=0), 1e-30))
