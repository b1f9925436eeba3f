"""``edgeguard compare``: is the new measurement worse than the old one?"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.console import print_json, printable
from edgeguard.cli.options import json_option

if TYPE_CHECKING:
    from edgeguard.bench.compare import Change, Comparison

__all__ = ["compare"]

_path: Any = click.Path(path_type=Path)


def _share(_: click.Context, parameter: click.Parameter, value: str) -> float:
    """A callback that reads ``5%`` or ``5`` as 0.05."""
    try:
        percent = float(value.strip().removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 <= percent < math.inf:
        raise click.BadParameter(f"{value!r} is no percentage, for example 5%", param=parameter)
    return percent / 100


@click.command()
@click.argument("old", type=_path)
@click.argument("new", type=_path)
@click.option(
    "--threshold", default="5%", show_default=True, callback=_share, help="Growth that is tolerated, in percent."
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="FIELD",
    help="Compare although this field differs; the refusal names it. May be repeated.",
)
@json_option
def compare(old: Path, new: Path, threshold: float, ignore: tuple[str, ...], as_json: bool) -> None:
    """Compare two results of bench, or two of pyperf. Exit code 1: something became worse by more than the threshold.

    Times, ratios of variants, and peak memory are compared; where the machine was emulated, instructions in place of
    times. What was measured under different conditions is refused, and so is a result with the verdict invalid.

    \b
    A regression grew by more than the threshold, and its interval lies above 1. The intervals are so wide that of 100
    comparisons of equal things at most one finds any.
    """
    from edgeguard.bench.compare import compare as judge
    from edgeguard.bench.compare_files import read_recording

    found = judge(read_recording(old), read_recording(new), threshold=threshold, ignored=ignore)
    if as_json:
        regressions = [f"{change.quantity} of {change.name}" for change in found.regressions]
        print_json({"old": str(old), "new": str(new), **asdict(found), "regressions": regressions})
    else:
        _print(found)
    if found.regressions:
        sys.exit(1)


def _print(found: Comparison) -> None:
    from rich.console import Console as RichConsole
    from rich.table import Table

    # Wide enough to stay readable in a file, where there is no terminal to ask.
    screen = RichConsole(width=None if os.isatty(1) else 110, highlight=False)

    def say(text: str) -> None:
        screen.print(printable(text), soft_wrap=True, markup=False)

    table = Table()
    table.add_column("")
    for title in ("old", "new", "new/old", "interval"):
        table.add_column(title, justify="right")
    table.add_column("")
    for change in found.changes:
        cells = (_amount(change.old, change.quantity), _amount(change.new, change.quantity), f"{change.ratio:.3f}")
        interval = "" if change.interval is None else f"{change.interval.low:.3f} to {change.interval.high:.3f}"
        table.add_row(_plain(_name(change)), *cells, interval, change.outcome)
    screen.print(table)
    sure = next(change.interval.confidence for change in found.changes if change.interval is not None)
    say(f"intervals: {sure:.2%} each, so that together they find a growth where there is none in at most 1 % of cases")
    for difference in found.ignored:
        say(f"ignored: {difference}")
    for difference in found.told:
        say(f"differs: {difference}")
    for which, names in (("old", found.only_old), ("new", found.only_new)):
        if names:
            say(f"only in the {which} one: {', '.join(names)}")
    unclear = ", ".join(_name(change) for change in found.changes if change.outcome == "unclear")
    if unclear:
        say(f"unclear: {unclear}: whether it changed by more than the threshold takes more processes to tell")
    for change in found.regressions:
        assert change.interval is not None
        low, high = change.interval.low - 1, change.interval.high - 1
        say(f"regression: {_name(change)} grew by {change.ratio - 1:.1%} (between {low:.1%} and {high:.1%})")
    if not found.regressions:
        say(f"no regression beyond {found.threshold * 100:g} %")


def _plain(text: str) -> Any:
    """Text in which brackets are no markup: names come from files."""
    from rich.text import Text

    return Text(printable(text))


def _name(change: Change) -> str:
    return f"{change.quantity} of {change.name}"


def _amount(value: float, quantity: str) -> str:
    if quantity == "time":
        for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
            if value >= factor:
                return f"{value / factor:.2f} {unit}"
        return f"{value * 1e9:.0f} ns"
    if quantity == "memory":
        return f"{value / (1 << 20):.1f} MiB"
    return f"{value:.3f}" if quantity.endswith("ratio") else f"{value:,.0f}"
