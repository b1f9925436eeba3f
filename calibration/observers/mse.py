"""MSE: the range whose rounding and clipping errors together are smallest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgeguard.calibration.observers.base import Range, TensorStats
from edgeguard.calibration.observers.search import best_range, levels_of

__all__ = ["Mse"]


@dataclass(frozen=True, slots=True)
class Mse:
    """Minimises the mean squared error of quantizing the bins' middles, weighted by their counts."""

    name: ClassVar[str] = "mse"
    needs_counts: ClassVar[bool] = True

    def range(self, stats: TensorStats) -> Range:
        """The best of a grid of ranges."""
        assert stats.counts is not None
        used = stats.counts > 0
        values, weights = stats.centres[used], stats.counts[used]

        def loss(limits: Range) -> float:
            levels, scale, zero_point = levels_of(values, limits)
            return float((weights * (values - (levels - zero_point) * scale) ** 2).sum())

        return best_range(stats, loss)
