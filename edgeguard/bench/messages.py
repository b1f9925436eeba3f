"""What the bench says to its worker processes, and what they answer: one JSON object each way, on stdin and stdout.

Plain dictionaries and the standard library only: a worker is started a dozen times per run, and pydantic would make
each start slower. What may be trusted is simple here, since both ends are the same program.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, get_args

from edgeguard.bench.codec import decode
from edgeguard.bench.demand_messages import (
    EnergyAnswer,
    EnergyRequest,
    ProfileAnswer,
    ProfileRequest,
    SustainAnswer,
    SustainRequest,
)
from edgeguard.bench.pmu import Event
from edgeguard.bench.subject import Subject

__all__ = [
    "Answer",
    "Block",
    "ColdAnswer",
    "ColdRequest",
    "CountAnswer",
    "CountRequest",
    "DescribeAnswer",
    "DescribeRequest",
    "EngineFacts",
    "Request",
    "Subject",
    "TimeAnswer",
    "TimeRequest",
    "Window",
    "from_json",
    "to_json",
]


@dataclass(frozen=True, slots=True)
class TimeRequest:
    """Time all subjects in interleaved blocks.

    :param orders: per block, the names of the subjects in the order of their turns.
    :param creation: the order in which they are loaded, which decides where their weights lie in memory.
    :param runs: timed runs per turn.
    :param settle: untimed runs before them, which bring the caches back to this subject.
    :param warmup_ms: least time that each subject runs before the first block.
    :param pause_ms: idle time before each turn, until the threads of the previous subject no longer spin.
    """

    subjects: tuple[Subject, ...]
    creation: tuple[str, ...]
    orders: tuple[tuple[str, ...], ...]
    runs: int
    settle: int
    warmup_ms: float
    pause_ms: float
    threads: int
    spinning: bool


@dataclass(frozen=True, slots=True)
class ColdRequest:
    """Load one subject in a process that did nothing else, and run it for the first time.

    :param runs: warm runs after the first, at most, for planning; also what the memory's high-water mark covers.
    :param budget_ms: no further warm run starts after this time, but there are three at least.
    """

    subject: Subject
    runs: int
    budget_ms: float
    threads: int
    spinning: bool


@dataclass(frozen=True, slots=True)
class CountRequest:
    """Count what the CPU does in single runs of all subjects, interleaved.

    :param orders: per round, the names of the subjects in the order of their turns: one counted run each.
    :param events: what to count; see :mod:`~edgeguard.bench.pmu`.
    :param warmup: runs of each subject before the first round.
    """

    subjects: tuple[Subject, ...]
    orders: tuple[tuple[str, ...], ...]
    events: tuple[Event, ...]
    warmup: int
    threads: int


@dataclass(frozen=True, slots=True)
class Block:
    """One turn of each subject.

    :param order: names in the order of their turns.
    :param samples_ns: name to the durations of its runs, in nanoseconds, in the order in which they were taken.
    """

    order: tuple[str, ...]
    samples_ns: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Window:
    """What happened on the machine while one process measured.

    :param seconds: wall-clock time.
    :param others_seconds: CPU time of all other processes, summed over CPUs.
    :param steal_seconds: time that the hypervisor gave to somebody else, summed over CPUs.
    :param waited_seconds: time that the measuring thread was ready to run but not running; ``None`` if the kernel does
        not say.
    :param cpus: number of CPUs that these sums cover.
    :param frequency_khz: highest CPU frequency at the beginning and the end, both under load; empty if unreadable.
    """

    seconds: float
    others_seconds: float
    steal_seconds: float
    waited_seconds: float | None
    cpus: int
    frequency_khz: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """Answer to a :class:`TimeRequest`."""

    blocks: tuple[Block, ...]
    window: Window


@dataclass(frozen=True, slots=True)
class ColdAnswer:
    """Answer to a :class:`ColdRequest`.

    :param load_ns: from the file, which is in the page cache, to a session that is ready; modules are imported before.
    :param first_ns: the first run.
    :param warm_ns: the runs after it.
    :param baseline_kib: high-water mark of resident memory once all modules are imported, before the model is loaded.
    :param peak_kib: the same at the end.
    """

    load_ns: int
    first_ns: int
    warm_ns: tuple[int, ...]
    baseline_kib: int
    peak_kib: int


@dataclass(frozen=True, slots=True)
class CountAnswer:
    """Answer to a :class:`CountRequest`.

    :param counts: event to name to the counts of its runs, in the order in which they were taken, overhead included.
    :param overhead: event to the count of a run that does nothing.
    :param refused: event to the reason for which it is not in ``counts``.
    """

    counts: dict[Event, dict[str, tuple[int, ...]]]
    overhead: dict[Event, int]
    refused: dict[Event, str]


@dataclass(frozen=True, slots=True)
class DescribeRequest:
    """Load TFLite models and tell what runs them.

    :param models: their files.
    """

    models: tuple[str, ...]
    threads: int


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What runs a model.

    :param model: its file.
    :param kernels: see :attr:`edgeguard.runtimes.litert_session.LiteRtSession.kernels`.
    """

    model: str
    engine: str
    version: str
    kernels: str


@dataclass(frozen=True, slots=True)
class DescribeAnswer:
    """Answer to a :class:`DescribeRequest`, one for each model."""

    found: tuple[EngineFacts, ...]


Request = TimeRequest | ColdRequest | CountRequest | SustainRequest | ProfileRequest | EnergyRequest | DescribeRequest
Answer = TimeAnswer | ColdAnswer | CountAnswer | SustainAnswer | ProfileAnswer | EnergyAnswer | DescribeAnswer
_TYPES: dict[str, type[Request] | type[Answer]] = {
    kind.__name__: kind for kind in (*get_args(Request), *get_args(Answer))
}


def to_json(message: Request | Answer) -> str:
    """One line, tagged with the message's type."""
    return json.dumps({"type": type(message).__name__, **asdict(message)})


def from_json(text: str) -> Request | Answer:
    """The message that :func:`to_json` wrote."""
    data: dict[str, Any] = json.loads(text)
    name = data.pop("type")
    if name not in _TYPES:
        raise ValueError(f"no message is called {name!r}")
    message: Request | Answer = decode(_TYPES[name], data)
    return message
