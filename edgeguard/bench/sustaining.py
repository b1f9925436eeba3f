"""In a worker: one subject without a pause, and how the machine fares meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from edgeguard.bench.demand_messages import Moment, SustainAnswer, SustainRequest
from edgeguard.bench.host_state import read_temperature
from edgeguard.bench.throttled import Throttled, read_throttled
from edgeguard.bench.timing import Prepared, prepare, turn, undisturbed, warm_up
from edgeguard.bench.window import highest_frequency

__all__ = ["measure_sustained"]


def measure_sustained(request: SustainRequest, root: Path = Path("/")) -> SustainAnswer:
    """Run the subject until the time is over; a last moment that would be shorter than the others is left out.

    :raises EdgeguardError: the subject cannot be loaded.
    """
    prepared = prepare(request.subject, threads=request.threads, spinning=request.spinning)
    moments: list[Moment] = []
    with undisturbed():
        warm_up(prepared, request.warmup_ms)
        begin = time.perf_counter()
        done = 0
        seen = _since_boot(read_throttled(root))
        while not moments or moments[-1].elapsed_s + request.every_s <= request.seconds:
            samples = _run(prepared, done, request.every_s)
            done += len(samples)
            frequency = highest_frequency(root)  # first of all, before the CPU notices the pause
            throttled = read_throttled(root)
            moments.append(
                Moment(
                    elapsed_s=round(time.perf_counter() - begin, 3),
                    runs=len(samples),
                    median_ns=round(median(samples)),
                    worst_ns=max(samples),
                    frequency_khz=frequency,
                    temperature_c=read_temperature(root),
                    throttled=None if throttled is None else _conditions(throttled, seen),
                )
            )
            seen |= _since_boot(throttled)
    return SustainAnswer(tuple(moments))


def _run(prepared: Prepared, start: int, seconds: float) -> list[int]:
    """Durations of at least one run, until ``seconds`` are over."""
    end = time.perf_counter() + seconds
    samples = turn(prepared, start, settle=0, runs=1)
    while time.perf_counter() < end:
        samples += turn(prepared, start + len(samples), settle=0, runs=1)
    return samples


def _since_boot(throttled: Throttled | None) -> frozenset[str]:
    return frozenset() if throttled is None else frozenset(throttled.since_boot)


def _conditions(throttled: Throttled, seen: frozenset[str]) -> tuple[str, ...]:
    """What holds now, and what came and went since ``seen``."""
    return tuple(sorted({*throttled.now, *throttled.since_boot} - (seen - set(throttled.now))))
