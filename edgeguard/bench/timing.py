"""The timed loop, and what it times: every variant through the same Python, so that only the models differ."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgeguard.bench.messages import Subject
from edgeguard.errors import BadModel

__all__ = ["Call", "Prepared", "delayed", "import_everything", "prepare", "turn", "undisturbed", "warm_up"]

Array = np.ndarray[Any, Any]
Call = Callable[[Any], Any]


class Prepared:
    """A loaded subject: what to call, and what to call it with."""

    def __init__(self, call: Call, feeds: Sequence[Any]) -> None:
        self.call = call
        self.feeds = feeds


def prepare(subject: Subject, *, threads: int, spinning: bool) -> Prepared:
    """Load a subject.

    :raises EdgeguardError: the artifact or the model cannot be loaded.
    """
    inputs = np.load(subject.inputs, allow_pickle=False)
    if subject.how == "runtime":
        from edgeguard.artifact import open_artifact
        from edgeguard.runtimes.loading import load_unprobed

        # This process is one that a bad file may take down: nobody need try it before.
        runtime = load_unprobed(open_artifact(Path(subject.path)), threads=threads, spinning=spinning)
        return Prepared(runtime.predict, [image[None] for image in inputs])
    post = None if subject.artifact is None else _post_processor(Path(subject.artifact))
    if subject.format == "tflite":
        return _litert(Path(subject.path), inputs, post, threads)
    return _onnxruntime(Path(subject.path), inputs, post, threads, spinning)


def _onnxruntime(path: Path, inputs: Array, post: Call | None, threads: int, spinning: bool) -> Prepared:
    from edgeguard.runtimes.ort_session import open_session

    session = open_session(path, threads=threads, spinning=spinning)
    run = session.run
    outputs = [session.get_outputs()[0].name]
    name = session.get_inputs()[0].name
    feeds = [{name: np.ascontiguousarray(batch)} for batch in inputs]
    if post is None:
        return Prepared(lambda feed: run(outputs, feed), feeds)
    return Prepared(lambda feed: post(run(outputs, feed)[0]), feeds)


def _litert(path: Path, inputs: Array, post: Call | None, threads: int) -> Prepared:
    """The interpreter's own calls; inputs are brought to the grid of an integer input before they are timed.

    An ONNX graph takes floats and does that itself, in the run that is timed.
    """
    from edgeguard.runtimes.litert_session import open_litert

    session = open_litert(path, threads=threads)
    if session.batch != inputs.shape[1]:
        raise BadModel(f"takes {session.batch} inputs at once, not {inputs.shape[1]}", where=str(path))
    call = session.caller()
    feeds = [np.ascontiguousarray(session.quantized(batch)) for batch in inputs]
    if post is None:
        return Prepared(call, feeds)
    return Prepared(lambda feed: post(call(feed)), feeds)


def import_everything(subject: Subject) -> None:
    """Import the modules that loading a subject needs, which is no part of loading it."""
    if subject.format == "tflite":
        from edgeguard.runtimes import litert_runtime  # noqa: F401
        from edgeguard.runtimes.litert_session import litert_engine

        litert_engine()
    else:
        from edgeguard.runtimes import onnx_runtime  # noqa: F401
        from edgeguard.runtimes.quiet_onnxruntime import import_onnxruntime

        import_onnxruntime()
    if subject.how == "session":
        return
    # Reading a manifest builds pydantic's validators, once in a process.
    _post_processor(Path(subject.path) if subject.artifact is None else Path(subject.artifact))


def warm_up(prepared: Prepared, milliseconds: float) -> list[int]:
    """Run for at least ``milliseconds`` and at least three times; the durations, in nanoseconds."""
    end = time.perf_counter_ns() + round(milliseconds * 1e6)
    durations: list[int] = []
    while len(durations) < 3 or time.perf_counter_ns() < end:
        durations += turn(prepared, len(durations), settle=0, runs=1)
    return durations


def turn(prepared: Prepared, start: int, *, settle: int, runs: int) -> list[int]:
    """Durations of ``runs`` runs in nanoseconds, after ``settle`` runs that are not timed.

    :param start: number of the first input, so that every subject sees the same inputs in the same order.
    """
    call, feeds, clock = prepared.call, prepared.feeds, time.perf_counter_ns
    count = len(feeds)
    for index in range(start, start + settle):
        call(feeds[index % count])
    samples = []
    for index in range(start + settle, start + settle + runs):
        feed = feeds[index % count]
        begin = clock()
        call(feed)
        samples.append(clock() - begin)
    return samples


def delayed(prepared: Prepared, share: float, durations: Sequence[int]) -> Prepared:
    """The same, made slower by ``share`` of its median duration: a known truth to find."""
    wait = round(median(durations) * share)
    call, clock = prepared.call, time.perf_counter_ns

    def slower(feed: Any) -> Any:
        result = call(feed)
        end = clock() + wait
        while clock() < end:
            pass
        return result

    return Prepared(slower, prepared.feeds)


@contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage collection in here, and less to collect afterwards."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _post_processor(artifact: Path) -> Call:
    from edgeguard.artifact import MANIFEST
    from edgeguard.manifest import read_manifest
    from edgeguard.runtimes.answering import post_processor

    return post_processor(read_manifest(artifact / MANIFEST))
