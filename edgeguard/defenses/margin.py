"""How far logits may move before a decision changes: what makes an input golden, or not.

Integer kernels of different CPUs differ by a few steps of a logit (onnxruntime#20479, #28609). All margins are in
logits, for every logit moving by up to that much in any direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard.defenses.head import Grid
from edgeguard.defenses.rows import Levels

if TYPE_CHECKING:
    from edgeguard.defenses.gate import Cells, Gate

__all__ = ["gate_margin", "level_margin", "log_odds", "probability_margin"]

Array = np.ndarray[Any, Any]

# Of an interval of two steps, until less than a billionth is left.
_HALVINGS = 31


def log_odds(posterior: Array) -> Array:
    """``log(p / (1 - p))`` of each entry, float64 ``[n, classes]`` like the posterior."""
    others = 1 - posterior
    index = posterior.argmax(axis=-1)[..., None]
    rest = posterior.copy()
    np.put_along_axis(rest, index, 0.0, axis=-1)
    # Not 1 - p: that is zero from a lead of 37 logits on, and the odds would be infinite.
    np.put_along_axis(others, index, rest.sum(axis=-1, keepdims=True), axis=-1)
    with np.errstate(divide="ignore"):
        odds: Array = np.log(posterior) - np.log(others)
    return odds


def probability_margin(posterior: Array, threshold: float) -> Array:
    """Distance of max p to a threshold in (0, 1), ``[n]`` from float64 ``[n, classes]``.

    Moving the top logit by d one way and all others by d the other way multiplies the odds of the top class by
    exp(2 d): the distance is half the difference of the log odds.
    """
    distance: Array = np.abs(log_odds(posterior).max(axis=-1) - np.log(threshold / (1 - threshold))) / 2
    return distance


def level_margin(levels: Levels, grid: Grid | None, logits: Array) -> Array:
    """Distance of the largest logit to the nearest border between levels, ``[n]`` from float64 ``[n, classes]``."""
    peaks = logits.max(axis=-1)
    distance = np.full(peaks.shape, np.inf)
    if grid is not None:
        for start in levels.starts[1:]:
            distance = np.minimum(distance, np.abs(peaks - _border(start, grid)))
    return distance


def gate_margin(gate: Gate, grid: Grid | None, logits: Array) -> Array:
    """Distance to the gate, and for a gated query to the nearest other cell, ``[n]`` from float64 ``[n, classes]``."""
    assert grid is not None
    peaks, top = logits.max(axis=-1), logits.argmax(axis=-1)
    shifted = np.exp(logits - peaks[:, None])
    if gate.score == "max-probability":
        posterior = shifted / shifted.sum(axis=-1, keepdims=True)
        distance, closed = probability_margin(posterior, gate.threshold), posterior.max(axis=-1) < gate.threshold
    elif gate.score == "energy":
        energy = peaks + np.log(shifted.sum(axis=-1))
        distance, closed = np.abs(energy - gate.threshold), energy < gate.threshold
    else:
        own = np.array(gate.thresholds)[top] if gate.thresholds else np.full(len(top), gate.step)
        borders = _border(own, grid)
        distance, closed = np.abs(peaks - borders), peaks < borders
    distance[closed] = np.minimum(distance[closed], _cell_margin(gate.cells, grid, logits[closed]))
    return distance


def _cell_margin(cells: Cells, grid: Grid, logits: Array) -> Array:
    """How far every logit may move before the query is in another cell, ``[n]`` from float64 ``[n, classes]``.

    Another cell takes it over when its lead over that one is used up: by each logit as many times the difference of
    their directions there as it has taken steps.
    """
    steps = grid.steps(logits)
    # Beyond the end of the grid a logit comes back later than this says.
    beside = np.clip(logits / grid.scale + grid.zero - steps, -0.5, 0.5)
    directions = np.array(cells.directions, np.int64)
    values = steps @ directions.T - np.array(cells.offsets, np.int64)
    own = values.argmax(axis=-1)
    nearest = np.full(len(logits), np.inf)
    for rival, direction in enumerate(directions):
        apart = directions[own] - direction
        lead = values[np.arange(len(own)), own] - values[:, rival] + (own < rival)
        weight = np.abs(apart).sum(axis=-1)
        # A move takes a logit at most one step farther than it is long.
        near = (weight > 0) & (nearest + 1 > lead / np.maximum(weight, 1))
        nearest[near] = np.minimum(nearest[near], _used_up(apart[near], beside[near], lead[near]))
    return np.asarray(nearest * grid.scale)


def _used_up(apart: Array, beside: Array, lead: Array) -> Array:
    """The least move, in steps, that uses up a lead, ``[n]``, to a billionth and not above.

    :param apart: ``[n, classes]``, what each step of a logit takes off or adds to the lead; not all of them 0.
    :param beside: ``[n, classes]``, how far logits are from the middle of their steps.
    :param lead: ``[n]``, positive.
    """
    weight, ahead = np.abs(apart), 0.5 - np.sign(apart) * beside
    even = lead / weight.sum(axis=-1)
    least, most = np.maximum(even - 1, 0.0), even + 1
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        # Each logit takes its first step at the border of the one it is on, the others one whole step apart.
        enough = (weight * np.floor(ahead + middle[:, None])).sum(axis=-1) >= lead
        least, most = np.where(enough, least, middle), np.where(enough, middle, most)
    return np.asarray(least)


def _border(step: Any, grid: Grid) -> Any:
    """The logit at which a step begins."""
    return (np.asarray(step, np.float64) - 0.5 - grid.zero) * grid.scale
