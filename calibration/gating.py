"""Fitting a gate: its threshold to a budget, its wrong classes to what honest answers look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.defenses.gate import Cells, Gate, Score
from edgeguard.defenses.head import Grid, Head, Query
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.rows import Levels
from edgeguard.keys import MasterKey

__all__ = ["FittedGate", "Threshold", "fit_cells", "fit_draws", "fit_gate", "fit_threshold", "wrong_class_bits"]

Array = np.ndarray[Any, Any]

_BITS = 5
_PLUS_AND_MINUS = 2
_UNIT = 1 << 53
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


def fit_cells(key: MasterKey, steps: Array, classes: int) -> Cells:
    """Keyed contrasts, each compared with its median over the reference, so that it splits it in halves.

    :param steps: of the gated reference, on the grid, int64 ``[n, classes]``; may be empty.
    """
    stream = key.stream("cells", classes)
    count = min(_PLUS_AND_MINUS, classes // 2)
    contrasts = np.zeros((_BITS, classes), np.int64)
    for contrast in contrasts:
        order = stream.permutation(classes)
        contrast[order[:count]], contrast[order[count : 2 * count]] = 1, -1
    offsets = np.floor(np.median(steps @ contrasts.T, axis=0)) if len(steps) else np.zeros(_BITS)
    return Cells(tuple(tuple(row) for row in contrasts.tolist()), tuple(int(offset) for offset in offsets))


def fit_draws(key: MasterKey, counts: Array, honest: Array) -> Array:
    """The rows that answer gated queries, int64 ``[classes, cells]``, drawn so that they look like honest rows.

    The cells with the most queries choose first. Each draws, by the key, among the rows of other classes, with a
    probability proportional to how many queries are still missing there to make the gated rows distributed as the
    honest ones.

    :param counts: gated queries of the reference, ``[classes, cells]``.
    :param honest: how often each row answers honestly, ``[levels * classes]``, positive.
    """
    classes, cells = counts.shape
    stream = key.stream("wrong-class", classes)
    chances = stream.integers(_UNIT, counts.size) / _UNIT
    share = honest / honest.sum()
    missing = share * max(counts.sum(), 1)
    owner = np.arange(len(honest)) % classes
    draws = np.zeros(counts.size, np.int64)
    for cell in np.argsort(-counts.reshape(-1), kind="stable"):
        there = counts.reshape(-1)[cell]
        allowed = owner != cell // cells
        weights = np.where(allowed & (missing >= there / 2), np.maximum(missing, 0), 0.0)
        if there == 0 or not weights.any():
            weights = share * allowed
        total = np.cumsum(weights)
        row = int(np.searchsorted(total, chances[cell] * total[-1], side="right"))
        draws[cell] = row
        missing[row] -= there
    return draws.reshape(classes, cells)


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
    cells = fit_cells(key, steps[closed], classes)
    counts = np.zeros((classes, len(cells)), np.int64)
    np.add.at(counts, (reference[closed].argmax(axis=-1), cells.of(steps[closed])), 1)
    honest = _row_counts(reference[~closed], levels, grid) + 1e-3 * _row_counts(validation, levels, grid) + 1e-6
    draws = fit_draws(key, counts, honest)
    gate = Gate(
        threshold.score,
        threshold.value,
        cells,
        tuple(tuple(row) for row in draws.tolist()),
        threshold.by_class,
    )
    return FittedGate(gate, float(closed.mean()), wrong_class_bits(counts, draws))


def wrong_class_bits(counts: Array, draws: Array) -> float:
    """Entropy in bits of the wrong class given the most likely one, over gated queries.

    :param counts: gated queries, ``[classes, cells]``.
    :param draws: rows, ``[classes, cells]``.
    """
    classes = len(counts)
    bits = 0.0
    for own, wrong in zip(counts, draws % classes, strict=True):
        share = np.bincount(wrong, own, minlength=classes)
        share = share[share > 0]
        bits += float((share * np.log2(own.sum() / share)).sum())
    return bits / max(int(counts.sum()), 1)


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
