"""Percentile: the rarest values at both ends are clipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgeguard.calibration.observers.base import Range, TensorStats

__all__ = ["Percentile"]


@dataclass(frozen=True, slots=True)
class Percentile:
    """Covers the middle ``percentile`` per cent of the values, as many clipped below as above."""

    percentile: float = 99.999

    name: ClassVar[str] = "percentile"
    needs_counts: ClassVar[bool] = True

    def range(self, stats: TensorStats) -> Range:
        """The outer edges of the bins where the cumulated share crosses the two percentiles."""
        assert stats.counts is not None
        cumulated = np.cumsum(stats.counts) / max(1, int(stats.counts.sum()))
        tail = (1 - self.percentile / 100) / 2
        edges = stats.edges
        first = int(np.searchsorted(cumulated, tail, side="right"))
        last = int(np.searchsorted(cumulated, 1 - tail, side="left"))
        return Range.covering(float(edges[min(first, len(edges) - 2)]), float(edges[min(last + 1, len(edges) - 1)]))
