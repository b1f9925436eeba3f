"""Fitting a gate: its threshold to a budget, its wrong classes to what honest answers look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgeguard.calibration.wrong_classes import fit_cells, fit_draws, members_of, wrong_class_bits
from edgeguard.defenses.gate import Gate, Score
from edgeguard.defenses.head import Grid, Head, Query
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.rows import Levels
from edgeguard.keys import MasterKey

__all__ = ["GATE_VERSION", "FittedGate", "Threshold", "chosen_score", "fit_gate", "fit_threshold"]

Array = np.ndarray[Any, Any]

# Raised whenever the same images, budget and key give another gate than before.
GATE_VERSION = 2
# What a budget is spent on if nothing was said: the best score, and the cheapest.
_DEFAULT: Score = "max-logit"
# Fewer images than this say nothing of a class's mean and deviation.
_LEAST_OF_A_CLASS = 10


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a gate closes.

    :param value: see :class:`edgeguard.defenses.gate.Gate`.
    :param by_class: likewise.
    """

    score: Score
    value: float
    by_class: tuple[int, ...] = ()

    def gated(self, logits: Array, grid: Grid) -> Array:
        """Which of float32 logits ``[n, classes]`` are gated, bool ``[n]``."""
        if self.by_class:
            return np.asarray(_peaks(logits, grid) < np.array(self.by_class)[logits.argmax(axis=-1)])
        return np.asarray(_scores(self.score, logits, grid) < np.float32(self.value))


@dataclass(frozen=True, slots=True)
class FittedGate:
    """A gate, and what is known of it.

    :param reference_gated: share of the reference that it gates.
    :param bits: entropy of the wrong class given the most likely one.
    """

    gate: Gate
    reference_gated: float
    bits: float


def chosen_score(
    gate: Score | Literal["none"] | None, budget: float | None, tuned: tuple[str, float, float] | None
) -> Score | None:
    """The score of the gate that an owner's choice means; ``None`` if it means no gate.

    :param gate: ``None`` lets the budget decide.
    :param tuned: what a budget would be spent on in the response itself, if it has such a parameter.
    """
    if gate is None:
        return _DEFAULT if budget and tuned is None else None
    return None if gate == "none" else gate


def fit_threshold(score: Score, logits: Array, right: Array, most: int, grid: Grid) -> Threshold | None:
    """The highest threshold that gates at most ``most`` images that were right; ``None`` if it would gate nothing.

    :param logits: float32 ``[n, classes]``, of validation images.
    :param right: bool ``[n]``.
    """
    if most < 0 or right.sum() <= most:
        return None
    if score == "per-class-max-logit":
        return _per_class(logits, right, most, grid)
    scores = _scores(score, logits, grid)
    edge = np.sort(scores[right])[most]
    below = scores[scores < edge]
    if not below.size:
        return None
    # A score of float is computed a little differently elsewhere: the threshold keeps away from all that were seen.
    value = float(edge) if score == "max-logit" else float(np.float32((edge + below.max()) / 2))
    return Threshold(score, value)


def fit_gate(
    key: MasterKey, threshold: Threshold, reference: Array, levels: Levels, validation: Array, grid: Grid
) -> FittedGate:
    """The whole gate.

    :param reference: float32 logits ``[m, classes]`` of queries such as a thief may ask.
    :param validation: float32 logits of validation images; they stand in where the reference has no honest answer.
    """
    classes = reference.shape[-1]
    closed = threshold.gated(reference, grid)
    steps = grid.steps(reference)
    honest = _row_counts(reference[~closed], levels, grid) + 1e-3 * _row_counts(validation, levels, grid) + 1e-6
    members = members_of(key, classes)
    cells = fit_cells(key, members, steps[closed], honest.reshape(-1, classes).sum(axis=0))
    counts = np.zeros((classes, len(cells)), np.int64)
    np.add.at(counts, (reference[closed].argmax(axis=-1), cells.of(steps[closed])), 1)
    draws = fit_draws(key, counts, honest, members)
    gate = Gate(
        threshold.score,
        threshold.value,
        cells,
        tuple(tuple(row) for row in draws.tolist()),
        threshold.by_class,
    )
    return FittedGate(gate, float(closed.mean()), wrong_class_bits(counts, draws))


def _scores(score: Score, logits: Array, grid: Grid) -> Array:
    if score == "max-logit":
        return _peaks(logits, grid)
    query = Query(NumpyOps(), Head("logits", logits.shape[-1]), logits)
    likeliest = np.asarray(query.posterior).max(axis=-1)
    scores: Array = likeliest if score == "max-probability" else logits.max(axis=-1) - np.log(likeliest)
    return scores


def _peaks(logits: Array, grid: Grid) -> Array:
    return grid.steps(logits.max(axis=-1))


def _per_class(logits: Array, right: Array, most: int, grid: Grid) -> Threshold | None:
    """Thresholds at the same number of standard deviations below each class's mean, as many as the budget allows.

    One number decides for all classes, so that the bound for one threshold holds.
    """
    peaks, top = _peaks(logits, grid), logits.argmax(axis=-1)
    classes = logits.shape[-1]
    mean, deviation = float(peaks.mean()), float(peaks.std()) or 1.0
    means, deviations = np.full(classes, mean), np.full(classes, deviation)
    for own in range(classes):
        mine = peaks[top == own]
        if len(mine) >= _LEAST_OF_A_CLASS and mine.std() > 0:
            means[own], deviations[own] = mine.mean(), mine.std()
    distance = (peaks - means[top]) / deviations[top]
    edge = np.sort(distance[right])[most]
    if not (distance < edge).any():
        return None
    by_class = np.clip(np.ceil(means + edge * deviations - 1e-9), -128, 127).astype(np.int64)
    return Threshold("per-class-max-logit", 0.0, tuple(by_class.tolist()))


def _row_counts(logits: Array, levels: Levels, grid: Grid) -> Array:
    classes = logits.shape[-1]
    rows = levels.of(_peaks(logits, grid)) * classes + logits.argmax(axis=-1)
    return np.bincount(rows, minlength=len(levels) * classes).astype(np.float64)
