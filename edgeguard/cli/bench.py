"""``edgeguard bench``: what an artifact costs, measured, with a verdict on the measurement."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from edgeguard.bench.settings import EFFORTS, Settings
from edgeguard.cli.console import Console, print_json
from edgeguard.cli.options import artifact_argument, force_option, json_option
from edgeguard.errors import InvalidMeasurement, OutputExists, UsageError

if TYPE_CHECKING:
    from edgeguard.bench.messages import ColdAnswer
    from edgeguard.bench.result import Result

__all__ = ["bench"]

_path: Any = click.Path(path_type=Path)

_FIX = "Measure again"
_FIXES = {
    "busy": "Stop other work and measure again",
    "few-processes": "Measure in more processes with --processes",
    "few-samples": "Measure longer with --seconds, --blocks or --runs",
    "frequency-moved": "Fix the frequency with the governor 'performance', cool the CPU, and measure again",
    "throttled": "Check power supply and cooling, and measure again",
}


@click.command()
@artifact_argument
@click.option(
    "-o", "--output", type=_path, help="Where the result goes.  [default: NAME.result.json beside NAME.edgeguard]"
)
@click.option(
    "--effort",
    type=click.Choice(list(EFFORTS)),
    default="normal",
    show_default=True,
    help="How many processes, and how long: "
    + ", ".join(f"{name} {level.processes} and {level.seconds:g} s" for name, level in EFFORTS.items())
    + ".",
)
@click.option("--threads", type=int, default=1, show_default=True, help="Threads inside an operator.")
@click.option("--processes", type=int, help="Fresh processes to measure in; intervals rest on them.")
@click.option("--blocks", type=int, help="Blocks per process; in each, every variant has one turn.")
@click.option("--runs", type=int, help="Timed runs per turn.")
@click.option("--seconds", type=float, help="Time to measure in, without starting processes.")
@click.option("--confidence", type=float, default=0.95, show_default=True, help="Of the intervals of ratios.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the orders and the bootstrap.")
@force_option
@json_option
def bench(
    artifact: Path,
    output: Path | None,
    effort: Any,
    threads: int,
    processes: int | None,
    blocks: int | None,
    runs: int | None,
    seconds: float | None,
    confidence: float,
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Time ARTIFACT beside the float and int8 models of its lab.

    All variants and an A/A control take turns, block after block, in several fresh processes. The result, with all raw
    samples, is written also when it turns out to be no good: then the exit code is 5 and the reasons are told.
    """
    from edgeguard.bench.measure import measure
    from edgeguard.bench.result import write_result
    from edgeguard.staging import write_file

    settings = Settings(effort, threads, processes, blocks, runs, seconds, seed, confidence)
    if artifact.name in ("", ".."):
        artifact = artifact.resolve()  # `.` has neither a name nor a lab beside it
    output = output or default_output(artifact)
    _check_output(output, force)
    with Console() as console:
        result = measure(artifact, settings, console)
    data = write_result(result)
    write_file(output, data)
    if as_json:
        print_json(json.loads(data))
    else:
        _print_table(result)
        click.echo(f"written to {output}")
    if result.verdict.status == "invalid":
        bad = [reason for reason in result.verdict.reasons if reason.status == "invalid"]
        fixes = dict.fromkeys(_FIXES.get(reason.code, _FIX) for reason in bad)
        raise InvalidMeasurement("; ".join(reason.text for reason in bad), where=str(output), fix=". ".join(fixes))


def default_output(artifact: Path) -> Path:
    """``NAME.result.json`` beside ``NAME.edgeguard``: the artifact itself admits no further file."""
    return artifact.with_name(f"{artifact.name.removesuffix('.edgeguard')}.result.json")


def _check_output(output: Path, force: bool) -> None:
    """Refuse before minutes of work, not after them."""
    if not output.parent.is_dir():
        raise UsageError("its parent directory does not exist", where=str(output), fix="Create it or choose another -o")
    if not os.access(output.parent, os.W_OK):
        raise UsageError("cannot write there", where=str(output.parent), fix="Choose another -o")
    if output.is_dir():
        raise OutputExists("it is a directory", where=str(output), fix="Name a file with -o")
    if os.path.lexists(output) and not force:
        fix = "Pass --force to replace it, or choose another -o"
        raise OutputExists("it exists already", where=str(output), fix=fix)


def _print_table(result: Result) -> None:
    from rich.console import Console as RichConsole
    from rich.table import Table

    # Wide enough to stay readable in a file, where there is no terminal to ask.
    screen = RichConsole(width=None if os.isatty(1) else 110, highlight=False)
    screen.print(_headline(result), soft_wrap=True, markup=False)
    believed = result.device_kind != "emulated"
    table = Table()
    table.add_column("variant")
    columns = ("p50", "p90", "p99", "load", "first run") if believed else ()
    for title in (*columns, "peak memory", "samples"):
        table.add_column(title, justify="right")
    latency = {entry.name: entry for entry in result.latency}
    cold = {entry.name: entry.starts for entry in result.cold}
    for variant in result.variants:
        starts = cold.get(variant.name, ())
        cells = []
        if believed:
            stated = latency[variant.name]
            cells = [_duration(value) for value in (stated.p50_ns, stated.p90_ns, stated.p99_ns)]
            cells += [_median([start.load_ns for start in starts]), _median([start.first_ns for start in starts])]
        count = sum(len(block.samples_ns[variant.name]) for process in result.processes for block in process.blocks)
        table.add_row(variant.name, *cells, _memory(starts), str(count))
    screen.print(table)
    bounds = "percentiles: upper bounds at 99 % confidence; " if believed else ""
    screen.print(f"{bounds}peak memory: of the process, and its growth with the model", soft_wrap=True, markup=False)
    for entry in result.skipped:
        screen.print(f"not timed: {entry.name}: {entry.reason}", soft_wrap=True, markup=False)
    for sentence in result.findings:
        screen.print(f"- {sentence}", soft_wrap=True, markup=False)
    screen.print(f"verdict: {result.verdict.status}", markup=False)
    for reason in result.verdict.reasons:
        screen.print(f"  {reason.status}: {reason.text}", soft_wrap=True, markup=False)


def _headline(result: Result) -> str:
    device, plan = result.device, result.plan
    cpu = device.cpu.model or device.machine
    has = {True: "with", False: "without", None: "perhaps with"}[device.cpu.dot_product]
    return (
        f"{result.artifact.name} on {device.model or cpu} ({result.device_kind}; {cpu}, {has} dot-product instructions)"
        f", {plan.threads} thread{'s' if plan.threads > 1 else ''}, batch {result.artifact.batch}"
    )


def _duration(nanoseconds: float | None) -> str:
    if nanoseconds is None:
        return "too few"
    return f"{nanoseconds / 1e6:.2f} ms" if nanoseconds >= 1e6 else f"{nanoseconds / 1e3:.1f} us"


def _memory(starts: Sequence[ColdAnswer]) -> str:
    if not starts:
        return ""
    peak = median(start.peak_kib for start in starts) / 1024
    growth = median(start.peak_kib - start.baseline_kib for start in starts) / 1024
    return f"{peak:.1f} MiB, +{growth:.1f}"


def _median(values: list[int]) -> str:
    return _duration(median(values)) if values else ""
