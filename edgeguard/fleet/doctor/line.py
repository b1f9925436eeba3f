"""One line of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Line", "Status", "ok", "problem", "warning"]

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Line:
    """What one check found.

    :param status: ``problem`` stands in the way; ``warning`` does not, or nobody knows.
    :param remedy: what a user can type or do; ``None`` exactly where all is well.
    """

    name: str
    status: Status
    detail: str
    remedy: str | None = None

    def __post_init__(self) -> None:
        """Refuse a line that leaves its reader alone."""
        if (self.status == "ok") != (self.remedy is None):
            raise ValueError(f"{self.name}: {self.status} with the remedy {self.remedy!r}")


def ok(name: str, detail: str) -> Line:
    """All is well."""
    return Line(name, "ok", detail)


def warning(name: str, detail: str, remedy: str) -> Line:
    """It works, but; or: nobody knows."""
    return Line(name, "warning", detail, remedy)


def problem(name: str, detail: str, remedy: str) -> Line:
    """It does not work."""
    return Line(name, "problem", detail, remedy)
