"""``python -m edgeguard.bench.worker``: one fresh process that measures. One request on stdin, one answer on stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from edgeguard.bench.counting import measure_counts
from edgeguard.bench.demand_messages import EnergyRequest, ProfileRequest, SustainRequest
from edgeguard.bench.describing import describe
from edgeguard.bench.messages import (
    Block,
    ColdAnswer,
    ColdRequest,
    CountRequest,
    DescribeRequest,
    TimeAnswer,
    TimeRequest,
    from_json,
    to_json,
)
from edgeguard.bench.profiling import measure_profile
from edgeguard.bench.sustaining import measure_sustained
from edgeguard.bench.timing import delayed, import_everything, prepare, turn, undisturbed, warm_up
from edgeguard.bench.weighing import measure_energy
from edgeguard.bench.window import Watch
from edgeguard.errors import EdgeguardError

__all__ = ["main", "measure_blocks", "measure_cold"]


def main() -> None:
    """Serve one request. An error of ours is an answer too; anything else ends the process with its traceback."""
    answer_to = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not end up in the answer
    request = from_json(sys.stdin.read())
    try:
        match request:
            case TimeRequest():
                text = to_json(measure_blocks(request))
            case ColdRequest():
                text = to_json(measure_cold(request))
            case CountRequest():
                text = to_json(measure_counts(request))
            case SustainRequest():
                text = to_json(measure_sustained(request))
            case ProfileRequest():
                text = to_json(measure_profile(request))
            case EnergyRequest():
                text = to_json(measure_energy(request))
            case DescribeRequest():
                text = to_json(describe(request))
            case _:
                raise ValueError(f"{type(request).__name__} is no request")
    except EdgeguardError as error:
        text = json.dumps({"type": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix})
    with os.fdopen(answer_to, "w") as stream:
        stream.write(text)


def measure_blocks(request: TimeRequest) -> TimeAnswer:
    """Warm all subjects up, then time them in turn, block after block.

    :raises EdgeguardError: a subject cannot be loaded.
    """
    by_name = {subject.name: subject for subject in request.subjects}
    prepared = {
        name: prepare(by_name[name], threads=request.threads, spinning=request.spinning) for name in request.creation
    }
    blocks = []
    with undisturbed():
        for name in request.creation:
            durations = warm_up(prepared[name], request.warmup_ms)
            if by_name[name].delay:
                prepared[name] = delayed(prepared[name], by_name[name].delay, durations)
        watch = Watch()
        start = 0
        for order in request.orders:
            samples = {}
            for name in order:
                if request.pause_ms:
                    time.sleep(request.pause_ms / 1e3)
                samples[name] = tuple(turn(prepared[name], start, settle=request.settle, runs=request.runs))
            blocks.append(Block(order, samples))
            start += request.settle + request.runs
        window = watch.stop()
    return TimeAnswer(tuple(blocks), window)


def measure_cold(request: ColdRequest) -> ColdAnswer:
    """Load, run once, then a few times more.

    :raises EdgeguardError: the subject cannot be loaded.
    """
    import_everything(request.subject)
    baseline = _high_water_kib()
    begin = time.perf_counter_ns()
    prepared = prepare(request.subject, threads=request.threads, spinning=request.spinning)
    loaded = time.perf_counter_ns()
    first = turn(prepared, 0, settle=0, runs=1)
    warm: list[int] = []
    end = time.perf_counter_ns() + round(request.budget_ms * 1e6)
    while len(warm) < min(3, request.runs) or (len(warm) < request.runs and time.perf_counter_ns() < end):
        warm += turn(prepared, 1 + len(warm), settle=0, runs=1)
    return ColdAnswer(loaded - begin, first[0], tuple(warm), baseline, _high_water_kib())


def _high_water_kib() -> int:
    """Largest resident memory so far, in KiB.

    From ``VmHWM``, not ``getrusage``: the latter keeps what the parent used before this process was started.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
