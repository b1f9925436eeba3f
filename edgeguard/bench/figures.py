"""The figures of a result that follow from its samples and counts."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from edgeguard.bench.beside import questions_beside
from edgeguard.bench.intervals import log_ratios, ratio_interval
from edgeguard.bench.messages import CountAnswer
from edgeguard.bench.percentiles import percentile_estimate
from edgeguard.bench.result import Counted, CountRatio, Counts, Latency, Process, Ratio
from edgeguard.bench.settings import Plan
from edgeguard.bench.variants import CONTROL, FLOAT, INT8, Variant

__all__ = ["count_figures", "latencies", "pooled", "ratios"]


def latencies(processes: Sequence[Process], variants: Sequence[Variant]) -> tuple[Latency, ...]:
    """Percentiles of every variant, over all processes."""
    result = []
    for variant in variants:
        samples = pooled(processes, variant.name)
        p50, p90, p99 = (percentile_estimate(samples, percentile) for percentile in (0.5, 0.9, 0.99))
        result.append(Latency(variant.name, len(samples), p50, p90, p99))
    return tuple(result)


def ratios(processes: Sequence[Process], variants: Sequence[Variant], plan: Plan) -> tuple[Ratio, ...]:
    """The ratios that answer a question: the gain of int8, the cost of the defense, both together, the A/A control."""
    result = []
    for numerator, denominator in _questions([variant.name for variant in variants]):
        logs = [log_ratios(process.blocks, numerator, denominator) for process in processes]
        interval = ratio_interval(logs, confidence=plan.confidence, seed=plan.seed)
        result.append(Ratio(f"{numerator}/{denominator}", numerator, denominator, interval))
    return tuple(result)


def count_figures(answer: CountAnswer, variants: Sequence[Variant]) -> Counts | None:
    """Medians per inference and their ratios; ``None`` where instructions were refused, for nothing follows from the
    rest alone.
    """
    instructions = answer.counts.get("instructions")
    if instructions is None:
        return None
    cycles = answer.counts.get("cycles", {})
    counted = []
    for variant in variants:
        values = cycles.get(variant.name, ())
        counted.append(
            Counted(
                name=variant.name,
                instructions=instructions[variant.name],
                cycles=values,
                median_instructions=_centre(instructions[variant.name], answer.overhead["instructions"]),
                median_cycles=_centre(values, answer.overhead["cycles"]) if values else None,
            )
        )
    centres = {entry.name: entry.median_instructions for entry in counted}
    quotients = tuple(
        CountRatio(f"{numerator}/{denominator}", numerator, denominator, centres[numerator] / centres[denominator])
        for numerator, denominator in _questions(list(centres))
    )
    return Counts(tuple(counted), quotients, answer.overhead)


def pooled(processes: Sequence[Process], name: str) -> list[int]:
    """All samples of a variant, in nanoseconds."""
    return [value for process in processes for block in process.blocks for value in block.samples_ns[name]]


def _questions(present: Sequence[str]) -> list[tuple[str, str]]:
    deployed = next(name for name in ("defended", "deployed") if name in present)
    wanted = ((INT8, FLOAT), (deployed, INT8), (deployed, FLOAT), (CONTROL, deployed))
    return [*(pair for pair in wanted if set(pair) <= set(present)), *questions_beside(present)]


def _centre(values: Sequence[int], overhead: int) -> int:
    return max(1, round(median(values)) - overhead)
