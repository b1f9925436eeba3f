"""Collecting the samples: fresh processes one after the other, each with its own orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgeguard.bench.messages import (
    ColdAnswer,
    ColdRequest,
    CountAnswer,
    CountRequest,
    DescribeRequest,
    Subject,
    TimeRequest,
)
from edgeguard.bench.orders import block_orders, creation_order, process_random
from edgeguard.bench.pmu import Event
from edgeguard.bench.processes import ask_worker
from edgeguard.bench.result import Process
from edgeguard.bench.settings import Plan
from edgeguard.bench.variants import Variants

__all__ = ["cold_start", "count", "sample", "with_engines"]

_COLD_RUNS = 30
_COLD_BUDGET_MS = 200.0
_TIMEOUT_S = 600.0
# Python itself still specialises its code during the first runs.
_COUNT_WARMUP = 10


def with_engines(variants: Variants, *, threads: int) -> Variants:
    """The same, each told which engine and kernels run it; a fresh process loads those that only so can be known.

    :raises EdgeguardError: see :func:`sample`.
    """
    pairs = list(zip(variants.timed, variants.subjects, strict=True))
    models = {
        variant.sha256: subject.path
        for variant, subject in pairs
        if subject.format == "tflite" and subject.how != "runtime"
    }
    if not models:
        return variants
    answer = ask_worker(DescribeRequest(tuple(models.values()), threads), timeout=_TIMEOUT_S)
    found = {entry.model: entry for entry in answer.found}
    timed = []
    for variant in variants.timed:
        facts = found.get(models.get(variant.sha256, ""))
        timed.append(variant if facts is None else replace(variant, engine=facts.engine, kernels=facts.kernels))
    return replace(variants, timed=tuple(timed))


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
