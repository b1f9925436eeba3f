"""Collecting the samples: fresh processes one after the other, each with its own orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgeguard.bench.messages import ColdAnswer, ColdRequest, CountAnswer, CountRequest, Subject, TimeRequest
from edgeguard.bench.orders import block_orders, creation_order, process_random
from edgeguard.bench.pmu import Event
from edgeguard.bench.processes import ask_worker
from edgeguard.bench.result import Process
from edgeguard.bench.settings import Plan

__all__ = ["cold_start", "count", "sample"]

_COLD_RUNS = 30
_COLD_BUDGET_MS = 200.0
_TIMEOUT_S = 600.0
# Python itself still specialises its code during the first runs.
_COUNT_WARMUP = 10


def sample(
    subjects: Sequence[Subject], plan: Plan, progress: Callable[[int], None], run_ms: float = 0.0
) -> tuple[Process, ...]:
    """Time all subjects in ``plan.processes`` fresh processes.

    :param progress: called with the number of processes that are done.
    :param run_ms: how long one run of every subject takes together, to tell a slow process from one that hangs.
    :raises EdgeguardError: a subject cannot be loaded, or a process does not end.
    """
    names = [subject.name for subject in subjects]
    expected_s = plan.blocks * (plan.runs + plan.settle) * run_ms / 1e3
    processes = []
    for index in range(plan.processes):
        rng = process_random(plan.seed, index)
        request = TimeRequest(
            subjects=tuple(subjects),
            creation=creation_order(names, rng),
            orders=block_orders(names, plan.blocks, rng),
            runs=plan.runs,
            settle=plan.settle,
            warmup_ms=plan.warmup_ms,
            pause_ms=plan.pause_ms,
            threads=plan.threads,
            spinning=plan.spinning,
        )
        answer = ask_worker(request, timeout=_TIMEOUT_S + 10 * expected_s)
        processes.append(Process(request.creation, answer.blocks, answer.window))
        progress(index + 1)
    return tuple(processes)


def cold_start(subject: Subject, *, threads: int) -> ColdAnswer:
    """Load and first run one subject in a fresh process.

    :raises EdgeguardError: see :func:`sample`.
    """
    request = ColdRequest(subject, runs=_COLD_RUNS, budget_ms=_COLD_BUDGET_MS, threads=threads, spinning=True)
    return ask_worker(request, timeout=_TIMEOUT_S)


def count(subjects: Sequence[Subject], plan: Plan, events: Sequence[Event]) -> CountAnswer:
    """Count ``plan.counted`` runs of every subject in one fresh process.

    :raises EdgeguardError: see :func:`sample`.
    """
    names = [subject.name for subject in subjects]
    request = CountRequest(
        subjects=tuple(subjects),
        orders=block_orders(names, plan.counted, process_random(plan.seed, plan.processes)),
        events=tuple(events),
        warmup=_COUNT_WARMUP,
        threads=plan.threads,
    )
    return ask_worker(request, timeout=_TIMEOUT_S)
