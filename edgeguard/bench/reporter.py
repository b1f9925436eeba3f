"""Who is told how far a measurement is."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Reporter"]


class Reporter(Protocol):
    """Hears of stages, and of progress within them."""

    def step(self, text: str) -> None:
        """A stage begins."""

    def progress(self, done: int, total: int) -> None:
        """Within a stage."""
