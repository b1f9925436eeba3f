"""Entropy: the range that loses the least information, measured by Kullback-Leibler divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgeguard.calibration.observers.base import LEVELS, Range, TensorStats
from edgeguard.calibration.observers.search import best_range, levels_of

__all__ = ["Entropy"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Entropy:
    """Minimises KL(P || Q), P being the fine histogram and Q what 256 levels leave of it.

    The idea is Migacz, "8-bit inference with TensorRT" (GTC 2017), with 2,048 fine bins for 256 levels: with as few
    fine bins as levels Q equals P and nothing is ever clipped. Clipped values count into P's outermost kept bins but
    not into Q's, which is what clipping costs. The range is asymmetric.

    The bin that holds zero counts no more than its neighbours: zero is exact under every range and says nothing about
    which is best, but after a ReLU it would outweigh all else and clip what carries the information.
    """

    name: ClassVar[str] = "entropy"
    needs_counts: ClassVar[bool] = True

    def range(self, stats: TensorStats) -> Range:
        """The best of a grid of ranges."""
        assert stats.counts is not None
        counts = _without_spike_at_zero(stats)
        centres = stats.centres
        total = max(1.0, counts.sum())
        return best_range(stats, lambda limits: _divergence(counts, centres, limits, total))


def _without_spike_at_zero(stats: TensorStats) -> Array:
    assert stats.counts is not None
    counts = stats.counts.astype(np.float64)
    if stats.low <= 0 <= stats.high:
        zero = int(np.clip(np.searchsorted(stats.edges, 0.0, side="right") - 1, 0, len(counts) - 1))
        neighbours = [counts[index] for index in (zero - 1, zero + 1) if 0 <= index < len(counts)]
        counts[zero] = min(counts[zero], float(np.mean(neighbours)))
    return counts


def _divergence(counts: Array, centres: Array, limits: Range, total: float) -> float:
    inside = (centres >= limits.low) & (centres <= limits.high)
    if not inside.any():
        return np.inf
    kept = np.flatnonzero(inside)
    first, last = kept[0], kept[-1]
    reference = counts[first : last + 1].copy()
    fine = counts[first : last + 1]
    reference[0] += counts[:first].sum()
    reference[-1] += counts[last + 1 :].sum()
    levels = levels_of(centres[first : last + 1], limits)[0]
    used = fine > 0
    mass = np.bincount(levels, weights=fine, minlength=LEVELS)
    width = np.bincount(levels, weights=used, minlength=LEVELS)
    spread = np.where(used, mass[levels] / np.maximum(width[levels], 1), 0.0)
    occupied = reference > 0
    # A bin that only clipping filled has no mass in Q; the floor keeps its cost finite but heavy.
    approximation = np.maximum(spread[occupied] / max(fine.sum(), 1.0), 1e-9)
    target = reference[occupied] / total
    return float((target * np.log(target / approximation)).sum())
