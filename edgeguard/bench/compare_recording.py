"""What two measurements are compared by: for each quantity, one value per independent process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edgeguard.bench.compare_context import Context

__all__ = ["UNITS", "Quantity", "Recording", "Series"]

Quantity = Literal["time", "ratio", "instructions", "instruction ratio", "memory", "count"]

UNITS: dict[Quantity, str] = {
    "time": "seconds",
    "ratio": "a ratio",
    "instructions": "instructions",
    "instruction ratio": "a ratio",
    "memory": "bytes",
    "count": "a number",
}


@dataclass(frozen=True, slots=True)
class Series:
    """One thing that was measured, in several processes. More is worse.

    :param name: variant, ratio of variants, or benchmark.
    :param values: one per process: seconds, instructions, bytes, or a number without a unit; positive. Instructions are
        all counted in one process, whose memory layout does not matter to them: there it is one per few runs.
    """

    name: str
    quantity: Quantity
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what has no logarithm."""
        if not self.values or not all(0 < value < math.inf for value in self.values):
            raise ValueError(f"{self.quantity} of {self.name} must be positive numbers")


@dataclass(frozen=True, slots=True)
class Recording:
    """One file, as far as comparing goes.

    :param where: its path, for messages.
    :param kind: which program's format it is: results of different programs are made in different ways.
    :param series: no two with the same name and quantity.
    """

    where: str
    kind: Literal["edgeguard", "pyperf"]
    context: Context
    series: tuple[Series, ...]
