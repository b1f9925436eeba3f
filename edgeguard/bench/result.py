"""What a benchmark found: the content of ``result.json``.

The types are frozen dataclasses; pydantic stands only at the file boundary. Law: reading what was written gives an
equal result. Everything that is not a raw sample or a reading (percentiles, ratios, verdict, findings) follows from
those and could be derived anew from the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgeguard.bench.device_facts import DeviceFacts
from edgeguard.bench.device_kind import Kind
from edgeguard.bench.host_state import HostState
from edgeguard.bench.intervals import Interval
from edgeguard.bench.messages import Block, ColdAnswer, Window
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
    "Latency",
    "Process",
    "Ratio",
    "Result",
    "read_result",
    "result_schema",
    "write_result",
]

SCHEMA_VERSION = 1


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
class Result:
    """The whole result.

    :param device_kind: what an ``emulated`` machine took is no latency of anything: such a result has no ``latency``
        and no ``ratios``, only the raw samples.
    :param kind_evidence: why it is taken for that.
    :param started: when, UTC, ISO 8601.
    :param seconds: how long it all took.
    :param tools: name to version of everything that had a hand in it.
    :param findings: what the figures mean, a sentence each.
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
    schema_version: int = SCHEMA_VERSION
    min_reader: int = 1


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
    import json

    from pydantic import ValidationError

    try:
        text = path.read_bytes()
        data = json.loads(text)
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValueError as error:
        raise BadData(f"is not JSON: {error}", where=str(path), fix="Measure again with edgeguard bench") from None
    needed = data.get("min_reader") if isinstance(data, dict) else None
    if isinstance(needed, int | float) and needed > SCHEMA_VERSION:
        raise BadData(
            f"needs a reader of schema version {needed}, this one is {SCHEMA_VERSION}",
            where=str(path),
            fix="Install a newer edgeguard",
        )
    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadData(f"{name}: {first['msg']}", where=str(path), fix="Measure again with edgeguard bench") from None


def result_schema() -> dict[str, Any]:
    """The JSON Schema of ``result.json``, as published in ``edgeguard/schemas``."""
    return _adapter().json_schema(mode="serialization")
