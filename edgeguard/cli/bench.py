"""``edgeguard bench``: what an artifact costs, measured, with a verdict on the measurement."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from edgeguard.bench.durations import parse_duration
from edgeguard.bench.settings import EFFORTS, Settings
from edgeguard.cli.console import Console, print_json
from edgeguard.cli.options import artifact_argument, force_option, json_option
from edgeguard.errors import OutputExists, UsageError

__all__ = ["bench"]

_path: Any = click.Path(path_type=Path)


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
@click.option("--sustained", metavar="DURATION", help="Then run ARTIFACT without a pause, for example for 10m.")
@click.option("--profile", is_flag=True, help="Then let ONNX Runtime time each operator.")
@click.option("--energy", is_flag=True, help="Then read the power of a Pi 5's rails, idle and of each variant.")
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
    sustained: str | None,
    profile: bool,
    energy: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Time ARTIFACT beside the float and int8 models of its lab.

    All variants and an A/A control take turns, block after block, in several fresh processes. The result, with all raw
    samples, is written also when it turns out to be no good: then the exit code is 5 and the reasons are told.

    On an emulated machine, whose times mean nothing, instructions are counted instead, in one process.
    """
    from edgeguard.bench.measure import measure
    from edgeguard.bench.result import write_result
    from edgeguard.cli.bench_report import print_report, refuse_invalid
    from edgeguard.staging import write_file

    settings = Settings(
        effort=effort,
        threads=threads,
        processes=processes,
        blocks=blocks,
        runs=runs,
        seconds=seconds,
        seed=seed,
        confidence=confidence,
        sustained_s=None if sustained is None else parse_duration(sustained, "--sustained"),
        profile=profile,
        energy=energy,
    )
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
        print_report(result)
        click.echo(f"written to {output}")
    refuse_invalid(result, str(output))


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
