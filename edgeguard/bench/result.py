"""What a benchmark found: the content of ``result.json``.

The types are frozen dataclasses; pydantic stands only at the file boundary. Law: reading what was written gives an
equal result. Everything that is not a raw sample or a reading (percentiles, ratios, verdict, findings) follows from
those and could be derived anew from the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgeguard.bench.demanded import Energy, Profile, Sustained
from edgeguard.bench.device_facts import DeviceFacts
from edgeguard.bench.device_kind import Kind
from edgeguard.bench.host_state import HostState
from edgeguard.bench.intervals import Interval
from edgeguard.bench.messages import Block, ColdAnswer, Window
from edgeguard.bench.pmu import Event
from edgeguard.bench.settings import Plan
from edgeguard.bench.variants import Skipped, Variant
from edgeguard.bench.verdict import Verdict
from edgeguard.errors import BadData

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "SCHEMA_VERSION",
    "ArtifactFacts",
    "Cold",
    "CountRatio",
    "Counted",
    "Counts",
    "Latency",
    "Process",
    "Ratio",
    "Result",
    "parse_result",
    "read_result",
    "result_schema",
    "write_result",
]

SCHEMA_VERSION = 3
_AGAIN = "Measure again with edgeguard bench"
# Version 1 did not know every reason that a verdict may give today, nor results without samples of time. What version 3
# adds, the format and the engine of each variant, a reader of version 2 ignores without harm.
_MIN_READER = 2


@dataclass(frozen=True, slots=True)
class ArtifactFacts:
    """What was measured.

    :param manifest_sha256: digest of ``manifest.json``, which holds the digests of everything else.
    :param model_sha256: digest of the model file.
    :param batch: inputs per run.
    """

    name: str
    manifest_sha256: str
    model_sha256: str
    target: str
    defense: str | None
    defense_version: int | None
    placement: Literal["graph", "host"] | None
    input_shape: tuple[int, ...]
    batch: int


@dataclass(frozen=True, slots=True)
class Process:
    """Raw data of one fresh process.

    :param creation: order in which the variants were loaded.
    """

    creation: tuple[str, ...]
    blocks: tuple[Block, ...]
    window: Window


@dataclass(frozen=True, slots=True)
class Cold:
    """Cold starts of one variant, each in its own fresh process."""

    name: str
    starts: tuple[ColdAnswer, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of one variant, in nanoseconds per run.

    Upper bounds by LoadGen's early-stopping rule (confidence 0.99); ``None`` where there are too few samples.
    """

    name: str
    samples: int
    p50_ns: int | None
    p90_ns: int | None
    p99_ns: int | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """Duration of one variant over that of another, paired within blocks.

    :param interval: ``None`` for fewer than two processes.
    """

    name: str
    numerator: str
    denominator: str
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What the CPU counted of one variant, user space only, worker threads included.

    :param instructions: raw, of each run, in the order in which they were taken.
    :param cycles: likewise; empty where the machine does not count them.
    :param median_instructions: per inference: the median less the overhead of counting.
    :param median_cycles: likewise.
    """

    name: str
    instructions: tuple[int, ...]
    cycles: tuple[int, ...]
    median_instructions: int
    median_cycles: int | None


@dataclass(frozen=True, slots=True)
class CountRatio:
    """Instructions of one variant over those of another: medians per inference."""

    name: str
    numerator: str
    denominator: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Instructions, and cycles where there are any.

    :param overhead: event to the count of a run that does nothing, which is part of the raw values.
    """

    variants: tuple[Counted, ...]
    ratios: tuple[CountRatio, ...]
    overhead: dict[Event, int]


@dataclass(frozen=True, slots=True)
class Result:
    """The whole result.

    :param device_kind: what an ``emulated`` machine took is no latency of anything: such a result has ``counts``, but
        no ``latency``, ``ratios`` or ``processes``.
    :param kind_evidence: why it is taken for that.
    :param started: when, UTC, ISO 8601.
    :param seconds: how long it all took.
    :param tools: name to version of everything that had a hand in it.
    :param findings: what the figures mean, a sentence each.
    :param counts: ``None`` where instructions cannot be counted.
    :param not_counted: event to the reason for which this machine does not count it.
    :param sustained: only on demand, like ``profiles`` and ``energy``.
    :param beside: another artifact, which took turns with it; see :mod:`edgeguard.bench.beside`.
    """

    device_kind: Kind
    kind_evidence: str
    started: str
    seconds: float
    artifact: ArtifactFacts
    tools: dict[str, str]
    plan: Plan
    device: DeviceFacts
    before: HostState
    after: HostState
    variants: tuple[Variant, ...]
    skipped: tuple[Skipped, ...]
    cold: tuple[Cold, ...]
    latency: tuple[Latency, ...]
    ratios: tuple[Ratio, ...]
    verdict: Verdict
    findings: tuple[str, ...]
    processes: tuple[Process, ...]
    counts: Counts | None = None
    not_counted: dict[Event, str] = field(default_factory=dict)
    sustained: Sustained | None = None
    profiles: tuple[Profile, ...] = ()
    energy: Energy | None = None
    beside: ArtifactFacts | None = None
    schema_version: int = SCHEMA_VERSION
    min_reader: int = _MIN_READER


@cache
def _adapter() -> TypeAdapter[Result]:
    from pydantic import TypeAdapter

    return TypeAdapter(Result)


def write_result(result: Result) -> bytes:
    """The result as the bytes of ``result.json``, newline at the end; not indented, for it is mostly samples."""
    return _adapter().dump_json(result) + b"\n"


def read_result(path: Path) -> Result:
    """Read and check a ``result.json``.

    :raises BadData: the file is missing, not JSON, of a newer format, or does not fit the schema.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror}", where=str(path)) from None
    return parse_result(data, str(path))


def parse_result(data: bytes, where: str) -> Result:
    """The result in the bytes of a ``result.json``.

    :param where: what to call their source in an error.
    :raises BadData: they are not JSON, of a newer format, or do not fit the schema.
    """
    import json

    from pydantic import ValidationError

    try:
        value = json.loads(data)
    except ValueError as error:
        raise BadData(f"is not JSON: {error}", where=where, fix=_AGAIN) from None
    needed = value.get("min_reader") if isinstance(value, dict) else None
    if isinstance(needed, int | float) and needed > SCHEMA_VERSION:
        raise BadData(
            f"needs a reader of schema version {needed}, this one is {SCHEMA_VERSION}",
            where=where,
            fix="Install a newer edgeguard",
        )
    try:
        return _adapter().validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadData(f"{name}: {first['msg']}", where=where, fix=_AGAIN) from None


def result_schema() -> dict[str, Any]:
    """The JSON Schema of ``result.json``, as published in ``edgeguard/schemas``."""
    from edgeguard.json_schema import json_schema

    return json_schema(_adapter(), Result)
