"""Telling a person what a benchmark found, wherever it ran."""

from __future__ import annotations

import os
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from edgeguard.bench.result import Result
from edgeguard.cli.bench_tables import demanded_tables
from edgeguard.cli.console import printable
from edgeguard.errors import InvalidMeasurement

if TYPE_CHECKING:
    from edgeguard.bench.messages import ColdAnswer
    from edgeguard.bench.result import Counted

__all__ = ["print_report", "refuse_invalid"]

# Wide enough to stay readable in a file, where there is no terminal to ask.
_WIDTH = 130

_FIX = "Measure again"
_FIXES = {
    "busy": "Stop other work and measure again",
    "few-processes": "Measure in more processes with --processes",
    "few-samples": "Measure longer with --seconds, --blocks or --runs",
    "frequency-moved": "Fix the frequency with the governor 'performance', cool the CPU, and measure again",
    "not-counted": "Let the device count instructions, and measure again",
    "throttled": "Check power supply and cooling, and measure again",
}


def print_report(result: Result) -> None:
    """Table, findings and verdict, on stdout. Of an emulated machine no time is told."""
    from rich.console import Console as RichConsole

    screen = RichConsole(width=None if os.isatty(1) else _WIDTH, highlight=False)
    screen.print(printable(_headline(result)), soft_wrap=True, markup=False)
    screen.print(_table(result))
    for title, table in demanded_tables(result):
        screen.print(printable(title), soft_wrap=True, markup=False)
        screen.print(table)
    for line in _lines(result):
        screen.print(printable(line), soft_wrap=True, markup=False)


def refuse_invalid(result: Result, where: str) -> None:
    """Nothing, for a result that may be believed.

    :param where: where the result lies.
    :raises InvalidMeasurement: with every reason, and what to do about it.
    """
    if result.verdict.status == "invalid":
        bad = [reason for reason in result.verdict.reasons if reason.status == "invalid"]
        fixes = dict.fromkeys(_FIXES.get(reason.code, _FIX) for reason in bad)
        raise InvalidMeasurement("; ".join(reason.text for reason in bad), where=where, fix=". ".join(fixes))


def _table(result: Result) -> object:
    from rich.table import Table

    believed = result.device_kind != "emulated"
    counted = {} if result.counts is None else {entry.name: entry for entry in result.counts.variants}
    cycles = believed and any(entry.median_cycles is not None for entry in counted.values())
    titles = ["p50", "p90", "p99", "load", "first run"] if believed else []
    titles += [*(["instructions"] if counted else []), *(["cycles"] if cycles else []), "peak memory", "samples"]
    table = Table()
    table.add_column("variant")
    for title in titles:
        table.add_column(title, justify="right")
    cold = {entry.name: entry.starts for entry in result.cold}
    for variant in result.variants:
        starts = cold.get(variant.name, ())
        cells = _times(result, variant.name, starts) if believed else []
        count = counted.get(variant.name)
        if count is not None:
            cells.append(_many(count.median_instructions))
            cells += [_many(count.median_cycles)] if cycles else []
        cells += [_memory(starts), str(_samples(result, variant.name, count))]
        table.add_row(printable(variant.name), *cells)
    return table


def _times(result: Result, name: str, starts: Sequence[ColdAnswer]) -> list[str]:
    (stated,) = [entry for entry in result.latency if entry.name == name]
    cells = [_duration(value) for value in (stated.p50_ns, stated.p90_ns, stated.p99_ns)]
    return [*cells, _median([start.load_ns for start in starts]), _median([start.first_ns for start in starts])]


def _samples(result: Result, name: str, count: Counted | None) -> int:
    if result.device_kind == "emulated":
        return 0 if count is None else len(count.instructions)
    return sum(len(block.samples_ns[name]) for process in result.processes for block in process.blocks)


def _lines(result: Result) -> list[str]:
    notes = ["percentiles: upper bounds at 99 % confidence"] if result.device_kind != "emulated" else []
    notes += ["instructions: per inference, user space, median"] if result.counts is not None else []
    notes.append("peak memory: of the process, and its growth with the model")
    lines = ["; ".join(notes)]
    kernels = [f"{entry.name} {entry.kernels}" for entry in result.variants if entry.kernels is not None]
    lines += [f"kernels of LiteRT that ran: {'; '.join(kernels)}"] if kernels else []
    lines += [f"not measured: {entry.name}: {entry.reason}" for entry in result.skipped]
    lines += [f"not counted: {event}: {reason}" for event, reason in result.not_counted.items()]
    lines += [f"- {sentence}" for sentence in result.findings]
    lines.append(f"verdict: {result.verdict.status}")
    return lines + [f"  {reason.status}: {reason.text}" for reason in result.verdict.reasons]


def _headline(result: Result) -> str:
    device, plan = result.device, result.plan
    cpu = device.cpu.model or device.machine
    has = {True: "with", False: "without", None: "perhaps with"}[device.cpu.dot_product]
    beside = "" if result.beside is None else f" beside {result.beside.name}"
    return (
        f"{result.artifact.name}{beside} on {device.model or cpu} "
        f"({result.device_kind}; {cpu}, {has} dot-product instructions)"
        f", {plan.threads} thread{'s' if plan.threads > 1 else ''}, batch {result.artifact.batch}"
    )


def _duration(nanoseconds: float | None) -> str:
    if nanoseconds is None:
        return "too few"
    return f"{nanoseconds / 1e6:.2f} ms" if nanoseconds >= 1e6 else f"{nanoseconds / 1e3:.1f} us"


def _many(count: int | None) -> str:
    """A count to four digits, in thousands or millions."""
    if count is None:
        return ""
    return f"{count / 1e6:.2f} M" if count >= 1e7 else f"{count / 1e3:,.1f} k"


def _memory(starts: Sequence[ColdAnswer]) -> str:
    if not starts:
        return ""
    peak = median(start.peak_kib for start in starts) / 1024
    growth = median(start.peak_kib - start.baseline_kib for start in starts) / 1024
    return f"{peak:.1f} MiB, +{growth:.1f}"


def _median(values: list[int]) -> str:
    return _duration(median(values)) if values else ""
