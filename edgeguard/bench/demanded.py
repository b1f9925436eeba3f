"""What a result holds only where it was asked for: a long run, a profile, energy; and the figures that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from edgeguard.bench.demand_messages import EnergyAnswer, Moment, Node
from edgeguard.bench.verdict import FREQUENCY

__all__ = [
    "STEADY",
    "Energy",
    "OpShare",
    "Profile",
    "Sustained",
    "Weighed",
    "by_op",
    "energy_figures",
    "sustained_figures",
]

# Slower in the end than in the beginning by more than this share is no longer steady.
STEADY = 0.05
_SPAN_S = 60.0


@dataclass(frozen=True, slots=True)
class Sustained:
    """The deployed variant, run without a pause.

    :param first_ns: median of the moments' medians over the first minute, or the first third where that is shorter.
    :param last_ns: likewise of the last.
    :param ratio: of the last to the first.
    :param throttled_at_s: when the firmware first reported throttling; ``None`` if it did not, or does not tell.
    :param steady: whether the device keeps its pace: it did not become slower by more than :data:`STEADY`, the
        firmware reported nothing, and the frequency under load stayed within
        :data:`~edgeguard.bench.verdict.FREQUENCY`. The verdict is on the main measurement alone, and this not part of
        it.
    """

    name: str
    moments: tuple[Moment, ...]
    first_ns: int
    last_ns: int
    ratio: float
    throttled_at_s: float | None
    steady: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time of one variant goes, by ONNX Runtime's profiler, which itself takes some."""

    name: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class OpShare:
    """All nodes of one operator.

    :param median_us: sum of its nodes' medians; ``None`` on an emulated machine.
    """

    op: str
    nodes: int
    median_us: float | None
    share: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """Energy of one variant, run without a pause.

    :param watts: readings of all rails together.
    :param joules: per run, everything that the rails deliver.
    :param joules_above_idle: per run, without what the idle machine takes.
    """

    name: str
    runs: int
    seconds: float
    watts: tuple[float, ...]
    joules: float
    joules_above_idle: float


@dataclass(frozen=True, slots=True)
class Energy:
    """By the rails of a Pi 5's power-management chip: less than what is drawn from the wall.

    :param idle_watts: readings of the idle machine, before.
    """

    idle_watts: tuple[float, ...]
    variants: tuple[Weighed, ...]


def sustained_figures(name: str, moments: Sequence[Moment]) -> Sustained:
    """The beginning against the end.

    :param moments: at least one.
    """
    total = moments[-1].elapsed_s
    span = min(_SPAN_S, total / 3)
    first = [moment.median_ns for moment in moments if moment.elapsed_s <= span] or [moments[0].median_ns]
    last = [moment.median_ns for moment in moments if moment.elapsed_s > total - span] or [moments[-1].median_ns]
    first_ns, last_ns = round(median(first)), round(median(last))
    ratio = last_ns / max(1, first_ns)
    throttled = [moment.elapsed_s for moment in moments if moment.throttled]
    frequencies = [moment.frequency_khz for moment in moments if moment.frequency_khz is not None]
    fixed = not frequencies or max(frequencies) - min(frequencies) <= FREQUENCY * max(frequencies)
    return Sustained(
        name=name,
        moments=tuple(moments),
        first_ns=first_ns,
        last_ns=last_ns,
        ratio=ratio,
        throttled_at_s=throttled[0] if throttled else None,
        steady=ratio <= 1 + STEADY and not throttled and fixed,
    )


def by_op(nodes: Sequence[Node]) -> tuple[OpShare, ...]:
    """Nodes of each operator together, the largest share first."""
    groups: dict[str, list[Node]] = {}
    for node in nodes:
        groups.setdefault(node.op, []).append(node)
    found = []
    for op, group in groups.items():
        times = [node.median_us for node in group if node.median_us is not None]
        total = sum(times) if len(times) == len(group) else None
        found.append(OpShare(op, len(group), total, sum(node.share for node in group)))
    return tuple(sorted(found, key=lambda entry: -entry.share))


def energy_figures(idle: EnergyAnswer, loads: Sequence[tuple[str, EnergyAnswer]]) -> Energy:
    """Joules per run.

    :param loads: names of variants with what was read while they ran.
    """
    idle_watts = fmean(idle.watts)
    variants = []
    for name, load in loads:
        seconds = load.seconds / load.runs
        watts = fmean(load.watts)
        variants.append(
            Weighed(name, load.runs, load.seconds, load.watts, watts * seconds, (watts - idle_watts) * seconds)
        )
    return Energy(idle.watts, tuple(variants))
