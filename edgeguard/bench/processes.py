"""Starting worker processes and understanding how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import overload

from edgeguard import errors
from edgeguard.bench.demand_messages import (
    EnergyAnswer,
    EnergyRequest,
    ProfileAnswer,
    ProfileRequest,
    SustainAnswer,
    SustainRequest,
)
from edgeguard.bench.messages import (
    Answer,
    ColdAnswer,
    ColdRequest,
    CountAnswer,
    CountRequest,
    DescribeAnswer,
    DescribeRequest,
    Request,
    TimeAnswer,
    TimeRequest,
    from_json,
    to_json,
)

__all__ = ["ask_worker"]

# What loading an artifact or a model may raise.
_KNOWN: dict[str, type[errors.EdgeguardError]] = {
    kind.__name__: kind
    for kind in (errors.BadData, errors.BadModel, errors.DeviceError, errors.Untrusted, errors.UsageError)
}

_TICK_S = 1.0


def _ignore(_: float) -> None:
    return None


@overload
def ask_worker(request: TimeRequest, *, timeout: float) -> TimeAnswer: ...
@overload
def ask_worker(request: ColdRequest, *, timeout: float) -> ColdAnswer: ...
@overload
def ask_worker(request: CountRequest, *, timeout: float) -> CountAnswer: ...
@overload
def ask_worker(request: ProfileRequest, *, timeout: float) -> ProfileAnswer: ...
@overload
def ask_worker(request: DescribeRequest, *, timeout: float) -> DescribeAnswer: ...
@overload
def ask_worker(request: EnergyRequest, *, timeout: float) -> EnergyAnswer: ...
@overload
def ask_worker(request: SustainRequest, *, timeout: float, tick: Callable[[float], None]) -> SustainAnswer: ...
def ask_worker(request: Request, *, timeout: float, tick: Callable[[float], None] = _ignore) -> Answer:
    """Start a process, let it serve one request, and wait for its end.

    :param timeout: seconds after which it is killed.
    :param tick: called about every second with the seconds since the start.
    :raises EdgeguardError: what the worker raised; :class:`BadModel` when a model crashed it;
        :class:`InvalidMeasurement` when it did not come to an end.
    """
    # -P: the working directory may hold a file called like one of our modules.
    module = "edgeguard.bench.still" if isinstance(request, CountRequest) else "edgeguard.bench.worker"
    command = [sys.executable, "-P", "-m", module]
    # Threads of numpy's own BLAS would be threads that nobody asked for.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = _finish(command, to_json(request), environment, timeout, tick)
    except subprocess.TimeoutExpired:
        raise errors.InvalidMeasurement(
            f"a measuring process did not end within {timeout:.0f} seconds",
            fix="Is the machine overloaded? Try --effort quick",
        ) from None
    if done.returncode < 0:
        raise errors.BadModel(
            f"it kills the process that runs it ({_signal_name(-done.returncode)})",
            where=_subject_path(request),
            fix="SIGILL means that this engine needs a newer CPU; SIGKILL that memory ran out",
        )
    if done.returncode != 0:
        raise errors.EdgeguardError(f"a measuring process failed: {_last_line(done.stderr)}")
    return _understand(done.stdout)


def _finish(
    command: Sequence[str], text: str, environment: Mapping[str, str], timeout: float, tick: Callable[[float], None]
) -> subprocess.CompletedProcess[str]:
    """:func:`subprocess.run` that tells the time while it waits.

    :raises subprocess.TimeoutExpired: the process was killed.
    """
    begin = time.monotonic()
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        said: str | None = text
        try:
            while True:
                passed = time.monotonic() - begin
                try:
                    stdout, stderr = process.communicate(said, timeout=max(0.0, min(_TICK_S, timeout - passed)))
                    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
                except subprocess.TimeoutExpired:
                    said = None
                    tick(time.monotonic() - begin)
                    if time.monotonic() - begin >= timeout:
                        raise
        except BaseException:
            process.kill()
            raise


def _understand(text: str) -> Answer:
    data = json.loads(text)
    if data["type"] in _KNOWN:
        raise _KNOWN[data["type"]](data["what"], where=data["where"], fix=data["fix"])
    answer = from_json(text)
    assert isinstance(answer, Answer)
    return answer


def _subject_path(request: Request) -> str:
    if isinstance(request, DescribeRequest):
        return ", ".join(sorted(request.models))
    subjects = request.subjects if isinstance(request, TimeRequest | CountRequest) else (request.subject,)
    return ", ".join(sorted({subject.path for subject in subjects if subject is not None}))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
