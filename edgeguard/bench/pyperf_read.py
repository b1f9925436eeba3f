"""Reading what ``python -m pyperf`` measured (its JSON, version 1.0), to compare it.

The format: a suite of benchmarks, each with runs, each of which is one process with the values that it measured, per
loop. Metadata stand at the place that they are common to: suite, benchmark or run; the inner one wins.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from edgeguard.bench.compare_context import DECISIVE, Context
from edgeguard.bench.compare_recording import Quantity, Recording, Series
from edgeguard.errors import BadData, InvalidMeasurement

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["PREFIX", "VERSION", "PyperfBenchmark", "PyperfRun", "PyperfSuite", "read_pyperf"]

VERSION = "1.0"
# Of metadata that edgeguard writes: decisive fields of its context, and its verdict.
PREFIX = "edgeguard_"

_QUANTITIES: dict[str, Quantity] = {"second": "time", "byte": "memory", "integer": "count"}
_FIELDS = {"cpu_model_name": "cpu", "cpu_count": "cpus", "cpu_affinity": "affinity"}
_TOLD = ("python_implementation", "python_version", "python_compiler", "perf_version", "timer", "aslr")


@dataclass(frozen=True, slots=True)
class PyperfRun:
    """One process. Runs that only calibrate have no values."""

    values: tuple[float, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what has no logarithm; pyperf does so itself."""
        if not all(0 < value < math.inf for value in self.values):
            raise ValueError("values must be positive numbers")


@dataclass(frozen=True, slots=True)
class PyperfBenchmark:
    """One benchmark. Its name is metadata, and stands with the suite's where there is but one benchmark."""

    runs: tuple[PyperfRun, ...]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PyperfSuite:
    """A file."""

    version: str
    benchmarks: tuple[PyperfBenchmark, ...]
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse other versions, whose values mean something else."""
        if self.version != VERSION:
            raise ValueError(f"version {self.version} is not {VERSION}; python -m pyperf convert writes the latter")


@cache
def _adapter() -> TypeAdapter[PyperfSuite]:
    from pydantic import TypeAdapter

    return TypeAdapter(PyperfSuite)


def read_pyperf(path: Path) -> Recording:
    """Read a file of pyperf as something to compare: per benchmark, the median of each process.

    :raises BadData: it cannot be read or does not fit the format.
    :raises InvalidMeasurement: edgeguard wrote it, and its verdict says so.
    """
    from pydantic import ValidationError

    where = str(path)
    try:
        suite = _adapter().validate_json(path.read_bytes())
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror}", where=where) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadData(f"{name}: {first['msg']}", where=where, fix="Is it JSON that pyperf wrote?") from None
    if suite.metadata.get(f"{PREFIX}verdict") == "invalid":
        raise InvalidMeasurement(
            "this result is not to be trusted, nothing can be concluded from it", where=where, fix="Measure again"
        )
    series: dict[str, Series] = {}
    for number, benchmark in enumerate(suite.benchmarks):
        entry = _series(suite, benchmark, where, number)
        if entry is not None and series.setdefault(entry.name, entry) is not entry:
            raise BadData(f"holds two benchmarks called {entry.name}", where=where)
    return Recording(where, "pyperf", _context(_common(suite)), tuple(series.values()))


def _series(suite: PyperfSuite, benchmark: PyperfBenchmark, where: str, number: int) -> Series | None:
    runs = [run for run in benchmark.runs if run.values]
    if not runs:
        return None
    metadata = {**suite.metadata, **benchmark.metadata, **runs[0].metadata}
    unit = str(metadata.get("unit", "second"))
    if unit not in _QUANTITIES:
        fix = f"pyperf knows {', '.join(_QUANTITIES)}"
        raise BadData(f"benchmarks.{number}: no unit is called {unit!r}", where=where, fix=fix)
    name = str(metadata.get("name", f"benchmark {number + 1}"))
    return Series(name, _QUANTITIES[unit], tuple(median(run.values) for run in runs))


def _common(suite: PyperfSuite) -> dict[str, str]:
    """Metadata in which all runs of all benchmarks agree, wherever they stand."""
    every = [
        {**suite.metadata, **benchmark.metadata, **run.metadata}
        for benchmark in suite.benchmarks
        for run in benchmark.runs
    ]
    first = every[0] if every else {}
    return {name: str(value) for name, value in first.items() if all(one.get(name) == value for one in every)}


def _context(metadata: Mapping[str, str]) -> Context:
    """The host's name is no part of it: what decides is what the host is."""
    decisive = {name: metadata[key] for key, name in _FIELDS.items() if key in metadata}
    told = {name: metadata[name] for name in _TOLD if name in metadata}
    if "platform" in metadata:
        told["platform"] = metadata["platform"]
        decisive["platform"] = _platform(metadata["platform"])
    governor = re.search(r"governor:([\w+-]+)", metadata.get("cpu_config", ""))
    if governor:
        decisive["governor"] = governor.group(1)
    for key, value in metadata.items():
        name = key.removeprefix(PREFIX)
        if name != key:
            (decisive if name in DECISIVE else told)[name] = value
    return Context(decisive, told)


def _platform(text: str) -> str:
    """System and architecture of ``Linux-6.12.25-v8-aarch64-with-glibc2.41``; the whole text where it is another form.

    The kernel's version in between is what an update changes, and no reason to refuse.
    """
    found = re.match(r"(\w+)-.*?\b(x86_64|aarch64|arm64|armv\w+|riscv64|i[36]86|AMD64)\b", text)
    return " ".join(found.groups()) if found else text
