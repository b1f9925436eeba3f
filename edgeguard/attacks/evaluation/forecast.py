"""How much longer a grid takes, judged by the cells that are done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean

from edgeguard.attacks.evaluation.cell import Cell

__all__ = ["Forecast", "duration"]


class Forecast:
    """Times of cells, by attack and student: these decide how long one takes."""

    def __init__(self) -> None:
        self._seconds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, cell: Cell, seconds: float) -> None:
        """A cell took so long."""
        self._seconds[_kind(cell)].append(seconds)

    def left(self, cells: Iterable[Cell], width: int) -> float | None:
        """Seconds that cells will take, so many at once; ``None`` before the first is done.

        Of attacks and students that were not seen yet it is taken that they are like the others.
        """
        if not self._seconds:
            return None
        means = {kind: fmean(seconds) for kind, seconds in self._seconds.items()}
        typical = fmean(means.values())
        return sum(means.get(_kind(cell), typical) for cell in cells) / width


def duration(seconds: float) -> str:
    """As a person would say it: ``40 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _kind(cell: Cell) -> tuple[str, str]:
    return cell.attack.name, str(cell.student)
