"""What the bench says to workers, and hears from them, only where the user asks for more than the usual measurement."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.bench.subject import Subject

__all__ = [
    "EnergyAnswer",
    "EnergyRequest",
    "Moment",
    "Node",
    "ProfileAnswer",
    "ProfileRequest",
    "SustainAnswer",
    "SustainRequest",
]


@dataclass(frozen=True, slots=True)
class SustainRequest:
    """Run one subject without a pause, as long as it is asked for.

    :param every_s: time that one record covers, in seconds.
    """

    subject: Subject
    seconds: float
    every_s: float
    warmup_ms: float
    threads: int
    spinning: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """A second or so of a sustained measurement. ``None`` means unreadable.

    :param elapsed_s: its end, from the start of the first.
    :param runs: how many there were.
    :param median_ns: of their durations; ``worst_ns`` the longest.
    :param frequency_khz: highest CPU frequency at its end, under load.
    :param temperature_c: of thermal zone 0, in degrees Celsius.
    :param throttled: conditions that the firmware of a Pi reports, now or since the moment before; empty if it is well.
    """

    elapsed_s: float
    runs: int
    median_ns: int
    worst_ns: int
    frequency_khz: int | None
    temperature_c: float | None
    throttled: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class SustainAnswer:
    """Answer to a :class:`SustainRequest`."""

    moments: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """Let ONNX Runtime time each node of one model.

    :param warmup: runs that are left out.
    """

    subject: Subject
    runs: int
    warmup: int
    threads: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the graph as it runs, fused and transformed.

    :param op: its operator.
    :param median_us: of its durations, in microseconds, of which ONNX Runtime counts whole ones; ``None`` on an
        emulated machine.
    :param share: of the time in all nodes, over all runs, 0..1.
    """

    name: str
    op: str
    median_us: float | None
    share: float


@dataclass(frozen=True, slots=True)
class ProfileAnswer:
    """Answer to a :class:`ProfileRequest`: nodes in the order in which they run."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class EnergyRequest:
    """Read the power while one subject runs without a pause.

    :param subject: ``None`` lets the machine idle.
    :param settle_s: time before the first reading, in seconds.
    :param every_s: time between readings.
    """

    subject: Subject | None
    seconds: float
    settle_s: float
    every_s: float
    threads: int
    spinning: bool


@dataclass(frozen=True, slots=True)
class EnergyAnswer:
    """Answer to an :class:`EnergyRequest`.

    :param runs: how many began and ended within ``seconds``, after settling.
    :param seconds: how long they took, in seconds.
    :param watts: the readings.
    """

    runs: int
    seconds: float
    watts: tuple[float, ...]
