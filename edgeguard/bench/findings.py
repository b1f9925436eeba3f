"""What the figures mean, a sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from edgeguard.bench.demanded import Energy, Sustained
from edgeguard.bench.device_kind import DeviceKind
from edgeguard.bench.host_state import HostState
from edgeguard.bench.intervals import Interval
from edgeguard.bench.percentiles import fewest_samples
from edgeguard.bench.result import Counts, Latency, Ratio
from edgeguard.bench.variants import CONTROL, FLOAT, INT8
from edgeguard.cpu import CpuFacts

__all__ = ["find", "find_demanded"]


def find(
    kind: DeviceKind,
    cpu: CpuFacts,
    after: HostState,
    ratios: Sequence[Ratio],
    latency: Sequence[Latency],
    counts: Counts | None = None,
) -> tuple[str, ...]:
    """The sentences, the most important first."""
    sentences = []
    if kind.kind == "emulated":
        sentences.append(f"This machine is emulated ({kind.evidence}): its times are no latency, and none is reported.")
        if counts is not None:
            sentences.append("Instructions rank costs; they know neither caches nor how wide a CPU is.")
    for ratio in ratios:
        if ratio.interval is not None:
            sentences.append(_ratio(ratio, ratio.interval, cpu))
    if counts is not None:
        sentences += _instructions(counts)
    sentences += _unstated(latency)
    throttled = after.throttled
    if throttled is not None and throttled.since_boot:
        sentences.append(
            f"Since boot the firmware has seen: {', '.join(throttled.since_boot)}. Check power supply and cooling."
        )
    return tuple(sentences)


def find_demanded(sustained: Sustained | None, energy: Energy | None) -> tuple[str, ...]:
    """The same of what was measured on demand."""
    sentences = []
    if sustained is not None:
        sentences += _sustained(sustained)
    if energy is not None:
        sentences.append(
            f"Idle, the rails deliver {fmean(energy.idle_watts):.2f} W. Energy is that of the PMIC's rails, not of the "
            f"wall socket."
        )
    return tuple(sentences)


def _sustained(sustained: Sustained) -> list[str]:
    minutes = sustained.moments[-1].elapsed_s / 60
    pace = (
        f"{sustained.name} ended at {sustained.ratio:.3f}x its first pace after {minutes:.1f} minutes without a pause"
    )
    sentences = [f"{pace}: {'it is steady' if sustained.steady else 'it is NOT steady'}."]
    if sustained.throttled_at_s is not None:
        seen = sorted({name for moment in sustained.moments for name in moment.throttled or ()})
        sentences.append(f"Throttling began after {sustained.throttled_at_s:.0f} s: {', '.join(seen)}.")
    elif any(moment.throttled is None for moment in sustained.moments):
        sentences.append("Whether the firmware throttled meanwhile is unknown.")
    frequencies = [moment.frequency_khz / 1000 for moment in sustained.moments if moment.frequency_khz is not None]
    if frequencies:
        sentences.append(f"Meanwhile the CPU ran at {min(frequencies):.0f} to {max(frequencies):.0f} MHz.")
    heat = [moment.temperature_c for moment in sustained.moments if moment.temperature_c is not None]
    if heat:
        sentences.append(f"Meanwhile it had {min(heat):.1f} to {max(heat):.1f} degrees Celsius.")
    return sentences


def _ratio(ratio: Ratio, interval: Interval, cpu: CpuFacts) -> str:
    if ratio.numerator == CONTROL:
        reach = max(interval.high - 1, 1 - interval.low)
        name = ratio.denominator
        return f"The control ran {name} against itself: in this run, differences below {reach:.1%} mean nothing."
    if (ratio.numerator, ratio.denominator) == (INT8, FLOAT):
        return _int8(interval, cpu)
    return _cost(ratio, interval)


def _int8(interval: Interval, cpu: CpuFacts) -> str:
    if interval.low > 1:
        why = {
            True: "although it has dot-product instructions: operators were left in float, or the network is too small",
            False: "it has no dot-product instructions",
            None: "and whether it has dot-product instructions is unknown",
        }[cpu.dot_product]
        return f"int8 is SLOWER than float on this CPU, {_times(interval)}: {why}."
    if interval.high < 1:
        return f"int8 takes {_times(interval)} as long as float."
    return f"int8 and float take the same time within what this run can tell, {_times(interval)}."


def _cost(ratio: Ratio, interval: Interval) -> str:
    names = f"{ratio.numerator} against {ratio.denominator}"
    if not interval.excludes_one:
        return f"{names}: no difference that this run could see, {_times(interval)}."
    word = "slower" if interval.low > 1 else "faster"
    low, high = sorted((abs(interval.low - 1), abs(interval.high - 1)))
    return f"{names}: {abs(interval.estimate - 1):.1%} {word} (between {low:.1%} and {high:.1%})."


def _instructions(counts: Counts) -> list[str]:
    """Ratios of instructions: a cost that knows neither caches nor how many instructions a cycle takes."""
    sentences = []
    for entry in counts.ratios:
        if entry.numerator == CONTROL:
            sentences.append(
                f"The control's instructions differ by {abs(entry.ratio - 1):.2%}: smaller differences of instructions "
                f"mean nothing."
            )
        elif (entry.numerator, entry.denominator) == (INT8, FLOAT):
            sentences.append(f"int8 needs {entry.ratio:.3f} of float's instructions.")
        else:
            word = "more" if entry.ratio >= 1 else "fewer"
            sentences.append(
                f"{entry.numerator} against {entry.denominator}: {abs(entry.ratio - 1):.1%} {word} instructions."
            )
    return sentences


def _times(interval: Interval) -> str:
    return f"{interval.estimate:.3f}x ({interval.low:.3f} to {interval.high:.3f})"


def _unstated(latency: Sequence[Latency]) -> list[str]:
    """A percentile that is missing, for the variant with the fewest samples."""
    short = [entry for entry in latency if entry.p99_ns is None]
    if not short:
        return []
    least = min(short, key=lambda entry: entry.samples)
    return [
        f"p99 is left out where samples are too few: it needs {fewest_samples(0.99)}, {least.name} has {least.samples}"
        f"; measure longer with --seconds."
    ]
