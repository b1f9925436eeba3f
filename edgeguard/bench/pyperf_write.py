"""Writing a result as pyperf's JSON, so that ``python -m pyperf`` shows, plots and compares it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from edgeguard.bench.compare_context import NOT_SAID, result_context
from edgeguard.bench.pyperf_read import PREFIX, VERSION
from edgeguard.bench.result import Result
from edgeguard.errors import UsageError

__all__ = ["write_pyperf"]


def write_pyperf(result: Result) -> bytes:
    """The raw samples as a suite of pyperf: a benchmark per variant, a run per process, newline at the end.

    There are no warmups: pyperf's are durations, and the bench does not time its own; how long they lasted is in the
    metadata. Nor are there durations of runs: all variants share a process, and pyperf would add it up several times.

    :raises UsageError: the machine was emulated, so that there is no time to write.
    """
    if result.device_kind == "emulated":
        raise UsageError(
            f"an emulated machine has no times ({result.kind_evidence})",
            where="--pyperf",
            fix="Measure on a board, or compare instruction counts with edgeguard compare",
        )
    benchmarks = [
        {"metadata": {"name": variant.name, "unit": "second"}, "runs": _timed(result, variant.name)}
        for variant in result.variants
    ]
    suite = {"benchmarks": benchmarks, "metadata": _metadata(result), "version": VERSION}
    return json.dumps(suite, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _timed(result: Result, name: str) -> list[dict[str, Any]]:
    # pyperf refuses zero, which a clock that is coarser than the run is quick may say.
    return [
        {"values": [max(1, value) / 1e9 for block in process.blocks for value in block.samples_ns[name]]}
        for process in result.processes
    ]


def _metadata(result: Result) -> dict[str, str | int | float]:
    """pyperf's own names where it has one; a host name never."""
    device, context = result.device, result_context(result)
    own = {
        **{name: value for name, value in context.decisive.items() if value != NOT_SAID},
        "verdict": result.verdict.status,
        "version": result.tools.get("edgeguard"),
        "artifact": result.artifact.name,
        "model": result.artifact.model_sha256[:12],
        "settle_runs": result.plan.settle,
        "warmup_ms": result.plan.warmup_ms,
    }
    tools = {f"{name}_version": version for name, version in result.tools.items() if name != "edgeguard"}
    return _stated(
        {
            **tools,
            **{f"{PREFIX}{name}": value for name, value in own.items()},
            "cpu_count": device.cpus,
            "cpu_model_name": device.cpu.model,
            "date": datetime.fromisoformat(result.started).strftime("%Y-%m-%d %H:%M:%S"),
            "load_avg_1min": result.before.load,
            "loops": 1,
            "platform": f"Linux-{device.kernel}-{device.machine}",
        }
    )


def _stated(metadata: dict[str, Any]) -> dict[str, str | int | float]:
    """Without what is unknown, and without line breaks and surrounding space, all of which pyperf refuses."""
    flat = {name: " ".join(value.split()) if isinstance(value, str) else value for name, value in metadata.items()}
    return {name: value for name, value in flat.items() if value not in (None, "")}
