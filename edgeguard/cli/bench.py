"""``edgeguard bench``: what an artifact costs, measured, with a verdict on the measurement."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.bench.durations import parse_duration
from edgeguard.bench.settings import EFFORTS, Settings
from edgeguard.cli.console import Console, print_json
from edgeguard.cli.devices import connect, directory_option, ssh_config_option
from edgeguard.cli.options import artifact_argument, force_option, json_option
from edgeguard.errors import OutputExists, UsageError

if TYPE_CHECKING:
    from edgeguard.bench.result import Result

__all__ = ["bench", "check_output", "default_output"]

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
@click.option(
    "--beside", type=_path, help="Another artifact, as of another format, whose variants take turns with them."
)
@click.option("--sustained", metavar="DURATION", help="Then run ARTIFACT without a pause, for example for 10m.")
@click.option("--profile", is_flag=True, help="Then let ONNX Runtime time each operator.")
@click.option("--energy", is_flag=True, help="Then read the power of a Pi 5's rails, idle and of each variant.")
@click.option("--pyperf", type=_path, help="Write the result for `python -m pyperf`, too.")
@click.option("--device", "host", metavar="[USER@]HOST[:PORT]", help="Measure there, where `deploy` has been.")
@click.option("--fleet", type=_path, help="Measure on all devices of this fleet.toml, side by side.")
@ssh_config_option
@directory_option
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
    beside: Path | None,
    sustained: str | None,
    profile: bool,
    energy: bool,
    pyperf: Path | None,
    host: str | None,
    fleet: Path | None,
    ssh_config: Path | None,
    directory: str,
    force: bool,
    as_json: bool,
) -> None:
    """Time ARTIFACT beside the float and int8 models of its lab.

    All variants and an A/A control take turns, block after block, in several fresh processes. The result, with all raw
    samples, is written also when it turns out to be no good: then the exit code is 5 and the reasons are told.

    On an emulated machine, whose times mean nothing, instructions are counted instead, in one process.

    With --device the same is done on a device: what it takes is sent there and removed afterwards. The default for -o
    is then NAME.HOST.result.json.
    """
    from edgeguard.bench.measure import measure
    from edgeguard.bench.result import write_result
    from edgeguard.cli.bench_report import print_report, refuse_invalid
    from edgeguard.fleet.bench import bench_device

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
    if fleet is not None:
        from edgeguard.cli.bench_fleet import bench_fleet

        if host is not None or output is not None or pyperf is not None or beside is not None:
            raise UsageError("--device, -o, --pyperf and --beside are about one result, --fleet makes several")
        bench_fleet(artifact, settings, fleet, ssh_config, directory, force, as_json)
        return
    output = output or default_output(artifact, host)
    for path in (output, pyperf):
        if path is not None:
            check_output(path, force)
    with Console() as console:
        if host is None:
            result = measure(artifact, settings, console, beside)
        else:
            with connect(host, ssh_config) as device:
                result = bench_device(
                    device, artifact, settings, directory=directory, on_line=console.step, beside=beside
                )
    _keep(result, output, pyperf)
    if as_json:
        print_json(json.loads(write_result(result)))
    else:
        print_report(result)
        click.echo(f"written to {output}")
    refuse_invalid(result, str(output))


def _keep(result: Result, output: Path, pyperf: Path | None) -> None:
    from edgeguard.bench.pyperf_write import write_pyperf
    from edgeguard.bench.result import write_result
    from edgeguard.staging import write_file

    write_file(output, write_result(result))
    if pyperf is not None:
        write_file(pyperf, write_pyperf(result))


def default_output(artifact: Path, host: str | None = None) -> Path:
    """``NAME.result.json`` beside ``NAME.edgeguard``, for the artifact itself admits no further file.

    :param host: where it was measured, as the user wrote it; it becomes part of the name.
    """
    name = artifact.name.removesuffix(".edgeguard")
    if host is not None:
        name = f"{name}.{re.sub(r'[^A-Za-z0-9.-]+', '-', host.rpartition('@')[2])}"
    return artifact.with_name(f"{name}.result.json")


def check_output(output: Path, force: bool) -> None:
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
