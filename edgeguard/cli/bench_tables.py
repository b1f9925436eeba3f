"""Tables of what a benchmark measured on demand: where the time goes, and the energy."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import TYPE_CHECKING

from edgeguard.bench.demanded import Energy, Profile, by_op
from edgeguard.cli.console import printable

if TYPE_CHECKING:
    from rich.table import Table

    from edgeguard.bench.result import Result

__all__ = ["demanded_tables"]

_TOP = 10


def demanded_tables(result: Result) -> Iterator[tuple[str, Table]]:
    """Title and table of each, none for a result without any."""
    for profile in result.profiles:
        what = "share of instructions" if result.device_kind == "emulated" else "share of time"
        yield f"profile of {profile.name}, by operator ({what}):", _profile(profile, result.device_kind != "emulated")
    if result.energy is not None:
        yield "energy, by the PMIC's rails, not the wall socket:", _energy(result.energy)


def _profile(profile: Profile, timed: bool) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column("operator")
    for title in ("nodes", *(["median"] if timed else []), "share"):
        table.add_column(title, justify="right")
    shares = by_op(profile.nodes)
    for entry in shares[:_TOP]:
        time = [] if not timed or entry.median_us is None else [f"{entry.median_us:.1f} us"]
        table.add_row(printable(entry.op), str(entry.nodes), *time, f"{entry.share:.1%}")
    if len(shares) > _TOP:
        rest = shares[_TOP:]
        nodes, share = sum(entry.nodes for entry in rest), sum(entry.share for entry in rest)
        table.add_row(f"{len(rest)} others", str(nodes), *([""] if timed else []), f"{share:.1%}")
    return table


def _energy(energy: Energy) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column("variant")
    for title in ("power", "per inference", "above idle"):
        table.add_column(title, justify="right")
    table.add_row("idle", f"{fmean(energy.idle_watts):.2f} W", "", "")
    for entry in energy.variants:
        cells = (f"{fmean(entry.watts):.2f} W", _joules(entry.joules), _joules(entry.joules_above_idle))
        table.add_row(printable(entry.name), *cells)
    return table


def _joules(value: float) -> str:
    return f"{value * 1e3:.3f} mJ"
