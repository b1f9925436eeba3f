"""What the user asks for, and what it comes to once the first runs have shown how long one run takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgeguard.errors import UsageError

__all__ = ["EFFORTS", "Effort", "Plan", "Settings", "make_count_plan", "make_plan"]

Effort = Literal["quick", "normal", "thorough"]

# A turn shorter than this is dominated by the change from one variant to the next.
_TURN_MS = 3.0
_RUNS = (3, 50)
_BLOCKS = (4, 60)
_SETTLE = 2
_WARMUP_MS = 50.0
# Idle threads of ONNX Runtime spin for about this long before they sleep (onnxruntime#13808).
_PAUSE_MS = 20.0
_SUSTAINED_S = 5.0


@dataclass(frozen=True, slots=True)
class EffortLevel:
    """What an effort stands for.

    :param cold: processes per variant for cold start and memory.
    :param seconds: time to measure in, all processes together, without what they need to start.
    :param counted: runs per variant whose instructions are counted. Odd: their median is one of them.
    :param power_s: time to read the power in, idle and of each variant.
    """

    processes: int
    cold: int
    seconds: float
    counted: int
    power_s: float


EFFORTS: dict[Effort, EffortLevel] = {
    "quick": EffortLevel(processes=6, cold=1, seconds=6.0, counted=9, power_s=4.0),
    "normal": EffortLevel(processes=10, cold=3, seconds=30.0, counted=15, power_s=8.0),
    "thorough": EffortLevel(processes=20, cold=5, seconds=180.0, counted=45, power_s=20.0),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asks for; ``None`` leaves it to :func:`make_plan`.

    :param processes: fresh processes, one after the other; they are what the intervals rest on.
    :param blocks: per process.
    :param runs: timed runs per variant and block.
    :param seconds: time to measure in; the number of blocks follows from it.
    :param seed: of every random choice.
    :param confidence: of the intervals of ratios.
    :param sustained_s: how long the deployed variant runs without a pause afterwards; ``None`` for not at all.
    :param profile: whether ONNX Runtime times each node.
    :param energy: whether power is read, which only a Pi 5 can.
    """

    effort: Effort = "normal"
    threads: int = 1
    processes: int | None = None
    blocks: int | None = None
    runs: int | None = None
    seconds: float | None = None
    seed: int = 0
    confidence: float = 0.95
    sustained_s: float | None = None
    profile: bool = False
    energy: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        :raises UsageError: naming the option.
        """
        for name in ("threads", "processes", "blocks", "runs", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"must be positive, not {value}", where=f"--{name}")
        if not 0.5 <= self.confidence < 1:
            raise UsageError(f"must lie in [0.5, 1), not {self.confidence}", where="--confidence")
        if self.sustained_s is not None and not self.sustained_s >= _SUSTAINED_S:
            raise UsageError(
                f"{self.sustained_s:g} s are too short to see a device warm up, it takes {_SUSTAINED_S:g}",
                where="--sustained",
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """Every setting of the measurement, resolved; see :class:`Settings` and
    :class:`~edgeguard.bench.messages.TimeRequest`.

    :param spinning: whether idle threads of ONNX Runtime spin. Always on in a benchmark, for steadier times; what a
        deployed runtime does is slower to answer after a pause and kinder to everything else (onnxruntime#13808).
    :param processes: none where only instructions are counted, and then neither ``blocks`` nor ``runs``.
    :param cold: processes per variant for cold start and memory.
    :param counted: runs per variant whose instructions are counted, in one more process.
    """

    effort: Effort
    threads: int
    spinning: bool
    processes: int
    blocks: int
    runs: int
    settle: int
    warmup_ms: float
    pause_ms: float
    cold: int
    seed: int
    confidence: float
    counted: int = 0

    def __post_init__(self) -> None:
        """Refuse half a plan: times and counts are each taken as a whole or not at all."""
        if min(self.processes, self.blocks, self.runs, self.settle, self.cold, self.counted) < 0 or self.threads < 1:
            raise ValueError(f"a plan has no negative numbers, and at least one thread: {self}")
        if len({self.processes > 0, self.blocks > 0, self.runs > 0}) > 1:
            raise ValueError(f"processes, blocks and runs go together: {self}")


def make_plan(settings: Settings, run_ms: Mapping[str, float]) -> Plan:
    """Fill in what the user left open.

    :param run_ms: name of each variant to the duration of one warm run, in milliseconds.
    """
    level = EFFORTS[settings.effort]
    processes = settings.processes or level.processes
    runs = settings.runs or _clamp(math.ceil(_TURN_MS / min(run_ms.values())), _RUNS)
    pause = _PAUSE_MS if settings.threads > 1 else 0.0
    block_ms = sum(duration * (runs + _SETTLE) + pause for duration in run_ms.values())
    share_ms = (settings.seconds or level.seconds) * 1e3 / processes
    blocks = settings.blocks or _clamp(int(share_ms / block_ms), _BLOCKS)
    return Plan(
        effort=settings.effort,
        threads=settings.threads,
        spinning=True,
        processes=processes,
        blocks=blocks,
        runs=runs,
        settle=_SETTLE,
        warmup_ms=_WARMUP_MS,
        pause_ms=pause,
        cold=level.cold,
        seed=settings.seed,
        confidence=settings.confidence,
        counted=level.counted,
    )


def make_count_plan(settings: Settings) -> Plan:
    """The plan for an emulated machine, whose times mean nothing: it counts, and starts each variant once for its
    memory. Only the effort, the threads and the seed matter there.
    """
    return Plan(
        effort=settings.effort,
        threads=settings.threads,
        spinning=True,
        processes=0,
        blocks=0,
        runs=0,
        settle=0,
        warmup_ms=0.0,
        pause_ms=0.0,
        cold=1,
        seed=settings.seed,
        confidence=settings.confidence,
        counted=EFFORTS[settings.effort].counted,
    )


def _clamp(value: int, bounds: tuple[int, int]) -> int:
    return max(bounds[0], min(bounds[1], value))
