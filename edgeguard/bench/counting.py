"""In a worker: what the CPU does in one run, counted instead of timed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from edgeguard.bench.messages import CountAnswer, CountRequest
from edgeguard.bench.pmu import Counter, Counters, Event
from edgeguard.bench.timing import Call, import_everything, prepare, turn, undisturbed

__all__ = ["measure_counts"]

_EMPTY_RUNS = 15
_SHARED = "other programs use this counter too, so that it did not count all the time"


def measure_counts(request: CountRequest) -> CountAnswer:
    """Open the counters, load all subjects, warm them up, and count single runs in turn.

    Idle threads do not spin here: what they would burn is no work.

    :raises EdgeguardError: a subject cannot be loaded.
    """
    for subject in request.subjects:
        import_everything(subject)  # whatever threads a library starts for itself, they are not counted
    with Counters(request.events) as counters:
        if not counters.open:
            return CountAnswer({}, {}, counters.refused)
        prepared = {
            subject.name: prepare(subject, threads=request.threads, spinning=False) for subject in request.subjects
        }
        taken: dict[Event, dict[str, list[int]]] = {event: {name: [] for name in prepared} for event in counters.open}
        opened = tuple(counters.open.values())
        with undisturbed():
            for loaded in prepared.values():
                turn(loaded, 0, settle=0, runs=request.warmup)
            empty = [_count(opened, _nothing, None) for _ in range(_EMPTY_RUNS)]
            for number, order in enumerate(request.orders):
                for name in order:
                    feeds = prepared[name].feeds
                    found = _count(opened, prepared[name].call, feeds[number % len(feeds)])
                    for event, value in zip(counters.open, found, strict=True):
                        taken[event][name].append(value)
        shared: dict[Event, str] = {event: _SHARED for event, counter in counters.open.items() if not counter.whole()}
        overhead = {
            event: round(median(values)) for event, values in zip(counters.open, zip(*empty, strict=True), strict=True)
        }
    return CountAnswer(
        counts={
            event: {name: tuple(values) for name, values in named.items()}
            for event, named in taken.items()
            if event not in shared
        },
        overhead={event: value for event, value in overhead.items() if event not in shared},
        refused={**counters.refused, **shared},
    )


def _count(counters: Sequence[Counter], call: Call, feed: Any) -> list[int]:
    before = [counter.read() for counter in counters]
    call(feed)
    after = [counter.read() for counter in counters]
    return [end - start for start, end in zip(before, after, strict=True)]


def _nothing(_: Any) -> None:
    return None
