"""In a worker: the power of the machine while it idles, or runs one subject without a pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from edgeguard.bench.demand_messages import EnergyAnswer, EnergyRequest
from edgeguard.bench.pmic import read_rails
from edgeguard.bench.subject import Subject
from edgeguard.bench.timing import prepare, turn
from edgeguard.errors import EdgeguardError

__all__ = ["measure_energy"]

_REST_S = 0.05


def measure_energy(request: EnergyRequest) -> EnergyAnswer:
    """Read the power from a thread of its own, for a reading in between runs would be one of a CPU that rests.

    Reading costs power too; idling is read as often as running, so that the difference is free of it.

    :raises EdgeguardError: the subject cannot be loaded, or the power not be read.
    """
    once = _rest if request.subject is None else _inference(request, request.subject)
    _repeat(once, request.settle_s)
    with _Reader(request.every_s) as reader:
        runs, seconds = _repeat(once, request.seconds)
    return EnergyAnswer(0 if request.subject is None else runs, seconds, reader.watts())


class _Reader:
    """Reads the power again and again, as a context manager."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._stop = threading.Event()
        self._watts: list[float] = []
        self._error: EdgeguardError | None = None
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def watts(self) -> tuple[float, ...]:
        """The readings.

        :raises DeviceError: one of them failed.
        """
        if self._error is not None:
            raise self._error
        return tuple(self._watts)

    def _read(self) -> None:
        try:
            self._watts.append(read_rails().total)
            while not self._stop.wait(self._every_s):
                self._watts.append(read_rails().total)
        except EdgeguardError as error:
            self._error = error


def _inference(request: EnergyRequest, subject: Subject) -> Callable[[int], None]:
    prepared = prepare(subject, threads=request.threads, spinning=request.spinning)

    def once(number: int) -> None:
        turn(prepared, number, settle=0, runs=1)

    return once


def _rest(_: int) -> None:
    time.sleep(_REST_S)


def _repeat(once: Callable[[int], None], seconds: float) -> tuple[int, float]:
    """How often, and for how long in seconds."""
    begin = time.perf_counter()
    done = 0
    while time.perf_counter() - begin < seconds:
        once(done)
        done += 1
    return done, time.perf_counter() - begin
