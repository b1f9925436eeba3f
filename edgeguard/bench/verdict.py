"""Whether a measurement can be trusted, and why not: a pure function of what was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edgeguard.bench.device_kind import Kind
from edgeguard.bench.host_state import HostState
from edgeguard.bench.intervals import Interval
from edgeguard.bench.messages import Window
from edgeguard.bench.percentiles import fewest_samples

__all__ = ["AA_TOLERANCE", "BUSY", "FREQUENCY", "Evidence", "Reason", "Verdict", "busy_share", "judge", "judge_counts"]

Status = Literal["valid", "unknown", "invalid"]
Code = Literal[
    "aa-differs",
    "busy",
    "emulated",
    "few-processes",
    "few-samples",
    "frequency-moved",
    "frequency-unknown",
    "not-counted",
    "throttled",
    "throttling-unknown",
]

# Share of all CPUs that others may use, stolen time included: beyond it not just idle cores, but caches are shared.
BUSY = 0.10
# Largest move of the frequency under load, as a share: a Pi's steps are 100 MHz, of 1500 to 2400.
FREQUENCY = 0.05
# A control that differs by less than this is no trouble for anybody's conclusions, however sure the difference is: two
# sessions never lie alike in memory. Without a tolerance one good run in twenty would be called invalid, by definition.
AA_TOLERANCE = 0.005
_FEWEST_PROCESSES = 3
_PERCENTILE = 0.9


@dataclass(frozen=True, slots=True)
class Reason:
    """Something that speaks against trusting the measurement.

    :param status: what it makes of the verdict.
    """

    code: Code
    text: str
    status: Literal["unknown", "invalid"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement: the worst of its reasons, ``valid`` without any."""

    status: Status
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the judgement on times rests on.

    :param windows: one per measuring process.
    :param samples: name of each variant to its number of timed runs.
    :param control: ratio of the artifact to itself.
    """

    kind: Kind
    before: HostState
    after: HostState
    windows: Sequence[Window]
    samples: Mapping[str, int]
    control: Interval | None


def judge(evidence: Evidence) -> Verdict:
    """Collect every reason; none hides another."""
    reasons = [
        *_few(evidence),
        *_busy(evidence.windows),
        *_frequency(evidence.windows),
        *_throttled(evidence),
        *_control(evidence.control),
    ]
    return _verdict(reasons)


def judge_counts(control: float | None, refusal: str | None) -> Verdict:
    """The verdict on an emulated machine, where nothing but instructions is looked at.

    :param control: instructions of the artifact over those of itself.
    :param refusal: why instructions were not counted; ``None`` if they were.
    """
    reasons = [Reason("emulated", "an emulator's times say nothing about any device", "unknown")]
    if refusal is not None:
        text = f"nothing was measured: times mean nothing here, and instructions are not counted, for {refusal}"
        reasons.append(Reason("not-counted", text, "invalid"))
    if control is not None and abs(control - 1) > AA_TOLERANCE:
        text = f"the artifact differs from itself: ratio of instructions {control:.4f}"
        reasons.append(Reason("aa-differs", text, "invalid"))
    return _verdict(reasons)


def _verdict(reasons: Sequence[Reason]) -> Verdict:
    worst = {reason.status for reason in reasons}
    status: Status = "invalid" if "invalid" in worst else "unknown" if "unknown" in worst else "valid"
    return Verdict(status, tuple(reasons))


def _few(evidence: Evidence) -> list[Reason]:
    reasons = []
    floor = fewest_samples(_PERCENTILE)
    name, least = min(evidence.samples.items(), key=lambda item: item[1])
    if least < floor:
        text = f"{name} has {least} samples, a 90th percentile needs {floor}"
        reasons.append(Reason("few-samples", text, "invalid"))
    if len(evidence.windows) < _FEWEST_PROCESSES:
        text = f"{len(evidence.windows)} processes give no interval worth the name, it takes {_FEWEST_PROCESSES}"
        reasons.append(Reason("few-processes", text, "invalid"))
    return reasons


def _busy(windows: Sequence[Window]) -> list[Reason]:
    share = busy_share(windows)
    if share <= BUSY:
        return []
    return [Reason("busy", f"other work used {share:.0%} of the CPUs, at most {BUSY:.0%} is tolerable", "invalid")]


def busy_share(windows: Sequence[Window]) -> float:
    """CPU time of other processes and stolen time, as a share of all CPUs over all windows, 0..1."""
    capacity = sum(window.seconds * window.cpus for window in windows)
    used = sum(window.others_seconds + window.steal_seconds for window in windows)
    return used / capacity if capacity > 0 else 0.0


def _frequency(windows: Sequence[Window]) -> list[Reason]:
    readings = [reading for window in windows for reading in window.frequency_khz]
    if not readings:
        return [Reason("frequency-unknown", "the CPU's frequency cannot be read here", "unknown")]
    low, high = min(readings), max(readings)
    if high - low <= FREQUENCY * high:
        return []
    text = f"the CPU's frequency under load moved between {low / 1000:.0f} and {high / 1000:.0f} MHz"
    return [Reason("frequency-moved", text, "invalid")]


def _throttled(evidence: Evidence) -> list[Reason]:
    before, after = evidence.before.throttled, evidence.after.throttled
    during = {condition for reading in (before, after) if reading is not None for condition in reading.now}
    if before is not None and after is not None:
        during |= set(after.since_boot) - set(before.since_boot)
    if during:
        return [Reason("throttled", f"the firmware reports: {', '.join(sorted(during))}", "invalid")]
    if evidence.kind != "board":
        return []  # an ordinary host has no such firmware; its frequency says the same
    if before is None or after is None:
        return [Reason("throttling-unknown", "the firmware does not say whether it throttled", "unknown")]
    if "hwmon" in (before.source, after.source):
        text = "only under-voltage at the moment can be read here, not whether the firmware throttled in between"
        return [Reason("throttling-unknown", text, "unknown")]
    return []


def _control(control: Interval | None) -> list[Reason]:
    if control is None or (control.low <= 1 + AA_TOLERANCE and control.high >= 1 - AA_TOLERANCE):
        return []
    text = (
        f"the artifact differs from itself: ratio {control.estimate:.4f}, {control.confidence:.0%} interval "
        f"{control.low:.4f} to {control.high:.4f}"
    )
    return [Reason("aa-differs", text, "invalid")]
