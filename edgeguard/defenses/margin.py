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
    return np.where(closed, np.minimum(distance, _cell_margin(gate.cells, grid, logits)), distance)


def _cell_margin(cells: Cells, grid: Grid, logits: Array) -> Array:
    """How far every logit may move before the query is in another cell, ``[n]`` from float64 ``[n, classes]``.

    A contrast changes its sign when its logits have taken so many steps towards that, each its first one at the border
    of the step it is on and the others one whole step apart.
    """
    steps = grid.steps(logits)
    # Beyond the end of the grid a logit comes back later than this says.
    beside = np.clip(logits / grid.scale + grid.zero - steps, -0.5, 0.5)
    nearest = np.full(len(logits), np.inf)
    for contrast, offset in zip(np.array(cells.contrasts), cells.offsets, strict=True):
        used = np.flatnonzero(contrast)
        apart = steps @ contrast - offset
        toward = np.where(apart > 0, -1, 1)[:, None] * contrast[used]
        needed = np.where(apart > 0, apart, 1 - apart) - 1
        first = np.sort(0.5 - toward * beside[:, used], axis=-1)
        last = np.take_along_axis(first, needed[:, None] % len(used), axis=-1)[:, 0]
        nearest = np.minimum(nearest, needed // len(used) + last)
    return nearest * grid.scale


def _border(step: Any, grid: Grid) -> Any:
    """The logit at which a step begins."""
    return (np.asarray(step, np.float64) - 0.5 - grid.zero) * grid.scale
