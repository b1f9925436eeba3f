"""Min/max: nothing is clipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgeguard.calibration.observers.base import Range, TensorStats

__all__ = ["MinMax"]


@dataclass(frozen=True, slots=True)
class MinMax:
    """Covers everything that was seen."""

    name: ClassVar[str] = "min-max"
    needs_counts: ClassVar[bool] = False

    def range(self, stats: TensorStats) -> Range:
        """From the smallest to the largest value."""
        return Range.covering(stats.low, stats.high)
