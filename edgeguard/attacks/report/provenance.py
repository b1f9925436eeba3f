"""Where the figures of a report come from, and which cells are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from edgeguard.attacks.report.tables import Table

if TYPE_CHECKING:
    from edgeguard.attacks.evaluation.records import CellRecord

__all__ = ["Named", "missing", "provenance"]


class Named(Protocol):
    """What names a cell: a record does, and so does a cell that has yet to run."""

    @property
    def victim(self) -> str: ...  # noqa: D102
    @property
    def defense(self) -> str: ...  # noqa: D102
    @property
    def pool(self) -> str: ...  # noqa: D102
    @property
    def attack(self) -> str: ...  # noqa: D102
    @property
    def student(self) -> str: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


def missing(records: Sequence[Named], expected: Sequence[Named]) -> list[tuple[str, str, str, str, str, int]]:
    """Cells that are expected and were not measured, in the order in which they are expected."""
    there = {_key(record) for record in records}
    return [key for key in dict.fromkeys(map(_key, expected)) if key not in there]


def provenance(records: Sequence[CellRecord], expected: Sequence[Named]) -> list[str | Table]:
    """Commands, dates, machines, versions, seeds, and what is missing."""
    dates = sorted(record.date for record in records)
    versions = sorted({f"{name} {version}" for record in records for name, version in record.versions.items()})
    facts = (
        ("grid", _all(record.grid for record in records)),
        ("cells", str(len(records))),
        ("seeds", _all(str(seed) for seed in sorted({record.seed for record in records}))),
        ("command", _all(record.command for record in records)),
        ("date", dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"),
        ("machine", _all(record.machine for record in records)),
        ("versions", ", ".join(versions)),
        ("time of all cells", f"{sum(record.seconds for record in records) / 3600:.2f} h"),
    )
    said: list[str | Table] = [Table(("what", "value"), facts, 2)]
    if not expected:
        return [*said, "Which cells the grid has in all was not given, so that none can be said to be missing."]
    lacking = missing(records, expected)
    if not lacking:
        return [*said, f"All {len(set(map(_key, expected)))} cells of the grid are there."]
    header = ("victim", "defense", "pool", "attack", "student", "seed")
    rows = tuple((*key[:5], str(key[5])) for key in lacking)
    return [
        *said,
        f"{len(lacking)} of the grid's {len(set(map(_key, expected)))} cells are missing:",
        Table(header, rows, 5),
    ]


def _all(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))


def _key(cell: Named) -> tuple[str, str, str, str, str, int]:
    return cell.victim, cell.defense, cell.pool, cell.attack, cell.student, cell.seed
