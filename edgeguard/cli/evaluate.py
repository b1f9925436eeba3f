"""``edgeguard evaluate``: what thieves get, over a grid of victims, defenses and attacks."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.console import Console, print_json
from edgeguard.cli.options import json_option
from edgeguard.errors import UsageError
from edgeguard.extras import require

if TYPE_CHECKING:
    from edgeguard.attacks.evaluation.cell import Cell
    from edgeguard.attacks.evaluation.outcomes import Outcome
    from edgeguard.attacks.evaluation.records import CellRecord

__all__ = ["evaluate"]


def _axes(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    found = []
    for part in (part for value in values for part in value.split(",")):
        axis, equals, name = part.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{part!r} is not of the form defense=NAME", param=parameter)
        found.append((axis, name))
    return tuple(found)


@click.command()
@click.argument("grid", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Directory of records and report.")
@click.option("--cache", type=click.Path(path_type=Path), help="What cells share; default: cache in the output.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; default: as many as there are cores.")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Run on the workers of this Dask scheduler instead.")
@click.option("--only", multiple=True, metavar="AXIS=NAME,...", callback=_axes, help="Run only cells with these names.")
@click.option("--dry-run", is_flag=True, help="List the cells and which are done, and run none.")
@json_option
def evaluate(
    grid: Path,
    output: Path,
    cache: Path | None,
    jobs: int | None,
    scheduler: str | None,
    only: tuple[tuple[str, str], ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Attack every combination of victim, defense, pool, attack, student and seed that GRID, a TOML file, names.

    A cell that is recorded in the output already is not run again: a run that was cut goes on where it stopped. A cell
    that fails does not stop the others; the exit code is 1 then.

    \b
    edgeguard evaluate edge-ci.toml -o results/ --jobs 8
    edgeguard evaluate edge-ci.toml -o results/ --only defense=decoy,attack=naive
    """
    require("torch", "attacks")
    require("onnx", "export")
    require("matplotlib", "report")
    from edgeguard.attacks.evaluation.cell import cells_of
    from edgeguard.attacks.evaluation.choosing import chosen
    from edgeguard.attacks.evaluation.executors import cluster, local
    from edgeguard.attacks.evaluation.grid_file import read_grid
    from edgeguard.attacks.evaluation.records import read_records
    from edgeguard.attacks.training import slow_here

    if scheduler is not None and jobs is not None:
        raise UsageError("the scheduler has its own workers", where="--jobs", fix="Leave out one of the two")
    cells = cells_of(read_grid(grid))
    wanted = chosen(cells, only)
    done = {record.digest for record in read_records(output)}
    waiting = [cell for cell in wanted if cell.digest not in done]
    if dry_run:
        _list(wanted, done, as_json)
        return
    _make(output)
    root = (cache or output / "cache").absolute()
    failed: list[Outcome] = []
    with Console() as console:
        console.step(f"{len(wanted)} cells, {len(wanted) - len(waiting)} of them done before")
        if waiting:
            # A grid has one recipe; what a cluster's workers are made of is not known here.
            if scheduler is None and (reason := slow_here(waiting[0].recipe)) is not None:
                console.warn(reason)
            workers = local(jobs or len(os.sched_getaffinity(0))) if scheduler is None else cluster(scheduler)
            failed = _run(waiting, output, root, workers, console, _command(grid, jobs, scheduler, only))
    records = _named(cells, read_records(output))
    written = _report(cells, records, output)
    if as_json:
        print_json(
            {
                "records": [asdict(record) for record in records],
                "failed": [{**asdict(outcome.cell.name), "error": outcome.error} for outcome in failed],
                "files": [str(path) for path in written],
            }
        )
    else:
        click.echo("\n".join(map(str, written)))
    if failed:
        click.echo(f"failed: {len(failed)} of {len(waiting)} cells", err=True)
        for outcome in failed:
            click.echo(f"  {outcome.cell}: {outcome.error}", err=True)
        sys.exit(1)


def _run(
    waiting: Sequence[Cell], output: Path, root: Path, workers: Any, console: Console, command: str
) -> list[Outcome]:
    """Run cells, record each as it is done; returns those that failed."""
    from edgeguard.attacks.evaluation.executors import work
    from edgeguard.attacks.evaluation.forecast import Forecast, duration
    from edgeguard.attacks.evaluation.outcomes import outcomes
    from edgeguard.attacks.evaluation.records import recording

    forecast, left, failed = Forecast(), dict.fromkeys(waiting), []
    with recording(output) as recorder:
        for outcome in outcomes(waiting, functools.partial(work, cache_root=root), workers):
            left.pop(outcome.cell)
            count = f"{len(waiting) - len(left)}/{len(waiting)} {outcome.cell}"
            if outcome.record is None:
                failed.append(outcome)
                console.warn(f"{count}: {outcome.error}")
                continue
            recorder.append(replace(outcome.record, command=command))
            forecast.add(outcome.cell, outcome.record.seconds)
            stolen, more = outcome.record.theft, forecast.left(left, workers.width)
            rest = "" if not left or more is None else f", about {duration(more)} left"
            told = f"clone {stolen.accuracy:.1%}, benign {outcome.record.utility.accuracy:.1%}"
            console.step(f"{count}: {told}, {duration(outcome.record.seconds)}{rest}")
    return failed


def _named(cells: Sequence[Cell], records: Sequence[CellRecord]) -> list[CellRecord]:
    """The records of a grid's cells, in its order and by the names that it has now."""
    known = {record.digest: record for record in records}
    found = []
    for cell in cells:
        if cell.digest in known:
            found.append(replace(known[cell.digest], grid=cell.grid, **asdict(cell.name)))
    return found


def _report(cells: Sequence[Cell], records: Sequence[CellRecord], output: Path) -> tuple[Path, ...]:
    """What was written: the records, and a report of them if there are any."""
    from edgeguard.attacks.evaluation.records import RECORDS
    from edgeguard.attacks.report.write import write_report

    written = write_report(records, output, [cell.name for cell in cells]) if records else ()
    return (output / RECORDS, *written)


def _list(cells: Sequence[Cell], done: set[str], as_json: bool) -> None:
    if as_json:
        print_json([{**asdict(cell.name), "digest": cell.digest, "done": cell.digest in done} for cell in cells])
        return
    for cell in cells:
        click.echo(f"{'done' if cell.digest in done else 'open'}  {cell}")
    click.echo(f"{sum(cell.digest in done for cell in cells)} of {len(cells)} cells are done")


def _make(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot be made: {error.strerror}", where=str(output), fix="Choose another -o") from None


def _command(grid: Path, jobs: int | None, scheduler: str | None, only: Sequence[tuple[str, str]]) -> str:
    """What was typed, as far as it can matter to others: the grid's name, and not where things lie here."""
    words = ["edgeguard", "evaluate", grid.name]
    words += [] if jobs is None else ["--jobs", str(jobs)]
    words += [] if scheduler is None else ["--scheduler", "tcp://..."]
    words += [word for axis, name in only for word in ("--only", f"{axis}={name}")]
    return shlex.join(words)
