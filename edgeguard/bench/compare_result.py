"""A benchmark of ours as something to compare: time, ratios and memory, or instructions where time means nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import numpy as np

from edgeguard.bench.compare_context import result_context
from edgeguard.bench.compare_recording import Recording, Series
from edgeguard.bench.intervals import log_ratios, trimmed_mean
from edgeguard.bench.result import Process, Result
from edgeguard.bench.variants import CONTROL, FLOAT, INT8
from edgeguard.errors import InvalidMeasurement

__all__ = ["record_result"]

# Runs whose median is one value.
_GROUP = 3


def record_result(result: Result, where: str) -> Recording:
    """What is compared of a result.

    - time: the median run of each variant in each process;
    - ratios, one per process, as in :mod:`~edgeguard.bench.intervals`: of int8 to float, and of the artifact to int8,
      or to float where there is no int8 (else it would be the product of two that are judged already);
    - memory: the peak of each cold start;
    - where the machine was emulated, instructions and their ratios in place of times. All are counted in one process:
      the values are medians of a few consecutive runs each, less the overhead of counting. They repeat so well that any
      difference between two emulators seems sure; thresholds below the 0.5 % that those may differ by ask for too much.

    The control is left out: it is the artifact again.

    :param where: its path, for messages.
    :raises InvalidMeasurement: its verdict says so.
    """
    if result.verdict.status == "invalid":
        reasons = "; ".join(reason.text for reason in result.verdict.reasons if reason.status == "invalid")
        raise InvalidMeasurement(
            f"this result is not to be trusted, nothing can be concluded from it: {reasons}",
            where=where,
            fix="Measure again",
        )
    measured = _counts(result) if result.device_kind == "emulated" else [*_times(result), *_ratios(result)]
    return Recording(where, "edgeguard", result_context(result), (*measured, *_memory(result)))


def _times(result: Result) -> list[Series]:
    """Of processes that say something: a file may come from anywhere."""
    found = []
    for variant in result.variants:
        samples = [_samples(process, variant.name) for process in result.processes]
        medians = tuple(max(1.0, float(np.median(one))) / 1e9 for one in samples if one)
        if medians and variant.name != CONTROL:
            found.append(Series(variant.name, "time", medians))
    return found


def _samples(process: Process, name: str) -> list[int]:
    return [value for block in process.blocks for value in block.samples_ns.get(name, ())]


def _ratios(result: Result) -> list[Series]:
    found = []
    for numerator, denominator in _pairs(result):
        paired = [
            [block for block in process.blocks if block.samples_ns.get(numerator) and block.samples_ns.get(denominator)]
            for process in result.processes
        ]
        logs = [float(trimmed_mean(log_ratios(blocks, numerator, denominator))) for blocks in paired if blocks]
        if logs:
            found.append(Series(f"{numerator}/{denominator}", "ratio", tuple(map(math.exp, logs))))
    return found


def _counts(result: Result) -> list[Series]:
    if result.counts is None:
        return []
    overhead = result.counts.overhead.get("instructions", 0)
    counted = {
        entry.name: _medians(entry.instructions, overhead)
        for entry in result.counts.variants
        if entry.name != CONTROL and entry.instructions
    }
    found = [Series(name, "instructions", values) for name, values in counted.items()]
    for numerator, denominator in _pairs(result):
        pairs = zip(counted.get(numerator, ()), counted.get(denominator, ()), strict=False)
        quotients = tuple(above / below for above, below in pairs)
        if quotients:
            found.append(Series(f"{numerator}/{denominator}", "instruction ratio", quotients))
    return found


def _medians(counts: Sequence[int], overhead: int) -> tuple[float, ...]:
    """Of groups of consecutive runs, for a single run may have done something for the first time."""
    size = min(_GROUP, len(counts))
    starts = range(0, len(counts) - size + 1, size)
    return tuple(max(1.0, median(counts[start : start + size]) - overhead) for start in starts)


def _pairs(result: Result) -> list[tuple[str, str]]:
    names = {variant.name for variant in result.variants}
    deployed = [name for name in ("defended", "deployed") if name in names]
    base = INT8 if INT8 in names else FLOAT
    wanted = [(INT8, FLOAT), *((name, base) for name in deployed)]
    return [pair for pair in wanted if names.issuperset(pair)]


def _memory(result: Result) -> list[Series]:
    return [
        Series(entry.name, "memory", tuple(max(1, start.peak_kib) * 1024.0 for start in entry.starts))
        for entry in result.cold
        if entry.starts
    ]
