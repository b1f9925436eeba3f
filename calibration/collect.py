"""Running a network over a calibration set and watching its tensors.

Two passes: the first finds each tensor's extremes, the second counts values in fixed bins between them. Neither keeps
activations, so memory does not grow with the set (onnxruntime#10503, #11020: 256 GB); both feed blocks of one fixed
size whatever the caller's, so the result does not depend on batching (onnxruntime#18792, optimum#409). Images are dealt
in turn to two halves whose ranges are compared (pytorch#45185: accuracy 0-87 % with the choice of calibration images).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.calibration.extremes import extremes
from edgeguard.calibration.observers import Observer, Range, TensorStats
from edgeguard.calibration.observers.base import BINS
from edgeguard.calibration.running import Progress, calibrating_session, report, run_calibrating
from edgeguard.calibration.sets import DataSet
from edgeguard.errors import BadModel
from edgeguard.runtimes.blocks import filled_up

__all__ = ["BATCH", "Collected", "HalvesReport", "Watch", "collect", "observe", "watch_onnx"]

Array = np.ndarray[Any, Any]
# Runs a network on inputs ``[n, *input_shape]`` and gives the tensors that are watched, each ``[n, elements]``.
Watch = Callable[[Array], Sequence[Array]]

# One at a time: a network's activations take far more memory than its weights, and larger blocks are hardly quicker.
BATCH = 1


@dataclass(frozen=True, slots=True)
class HalvesReport:
    """How far the ranges of two disjoint halves of a set lie apart.

    :param difference: largest distance between the halves' range ends, as a fraction of the whole set's range.
    :param tensor: the tensor with that difference.
    """

    difference: float
    tensor: str


@dataclass(frozen=True, slots=True)
class Collected:
    """Ranges by tensor name, and how stable they are (``None`` for a single image)."""

    ranges: dict[str, Range]
    halves: HalvesReport | None


def collect(
    probe: Path | bytes,
    input_name: str,
    tensors: Sequence[str],
    data: DataSet,
    observer: Observer,
    *,
    batch: int | None = None,
    progress: Progress | None = None,
    block: int = BATCH,
) -> Collected:
    """The range of every tensor over a set.

    :param probe: a float model whose outputs include ``tensors``; its input may be among them too.
    :param batch: the batch size the graph is fixed to, if it is.
    :param block: inputs run at once; affects nothing but memory and speed.
    :raises BadModel: a tensor takes a value that is not finite, or the model does not run.
    """
    if not observer.needs_counts:
        found = extremes(probe, input_name, tensors, data, _halves(data), batch, progress)
        if found is not None:
            return _summarise(tensors, *found, None, observer)
    watch = watch_onnx(probe, input_name, tuple(tensors), batch)
    return observe(watch, tensors, data, observer, progress=progress, block=batch or block)


def observe(
    watch: Watch,
    tensors: Sequence[str],
    data: DataSet,
    observer: Observer,
    *,
    progress: Progress | None = None,
    block: int = BATCH,
) -> Collected:
    """The range of every tensor over a set, whatever runs the network.

    :param watch: gives the tensors in the order of ``tensors``.
    :param block: inputs run at once; affects nothing but memory and speed.
    :raises BadModel: a tensor takes a value that is not finite, or the model does not run.
    """
    passes = 2 if observer.needs_counts else 1
    total = passes * len(data)
    halves = _halves(data)
    low = np.full((len(tensors), halves), np.inf)
    high = np.full((len(tensors), halves), -np.inf)
    done = 0
    for values, half in _run(watch, data, halves, block):
        _refuse_empty(values, tensors)
        # Of each image first: taking a half out of the whole would copy it. Arrays' own min and max keep a NaN.
        least = np.stack([value.min(axis=1) for value in values])
        most = np.stack([value.max(axis=1) for value in values])
        for part in np.unique(half):
            low[:, part] = np.minimum(low[:, part], least[:, half == part].min(axis=1))
            high[:, part] = np.maximum(high[:, part], most[:, half == part].max(axis=1))
        # Otherwise they would still be in memory while the next block is run.
        del values
        done = report(progress, done + len(half), total)
    for index, name in enumerate(tensors):
        if not (np.isfinite(low[index]).all() and np.isfinite(high[index]).all()):
            raise BadModel("takes values that are not finite during calibration", where=f"tensor {name!r}")
    counts: Array | None = None
    if observer.needs_counts:
        counts = np.zeros((len(tensors), halves, BINS), np.int64)
        for values, half in _run(watch, data, halves, block):
            for index, value in enumerate(values):
                for part in range(halves):
                    counts[index, part] += _histogram(value[half == part], low[index].min(), high[index].max())
            del values, value
            done = report(progress, done + len(half), total)
    return _summarise(tensors, low, high, counts, observer)


def _halves(data: DataSet) -> int:
    return 2 if len(data) > 1 else 1


def _refuse_empty(values: Sequence[Array], tensors: Sequence[str]) -> None:
    for value, name in zip(values, tensors, strict=True):
        if not value.size:
            raise BadModel("is empty: there is nothing to quantize", where=f"tensor {name!r}")


def _run(watch: Watch, data: DataSet, halves: int, block: int) -> Iterator[tuple[Sequence[Array], Array]]:
    """``(values, half)`` per block: values float ``[n, elements]`` per tensor, half 0 or 1 per image."""
    position = 0
    for each in data.batches(block):
        count = len(each.inputs)
        yield watch(each.inputs), (position + np.arange(count)) % halves
        position += count


def watch_onnx(probe: Path | bytes, input_name: str, tensors: tuple[str, ...], batch: int | None) -> Watch:
    """Watches tensors of an ONNX model; see :func:`collect` for the parameters."""
    session = calibrating_session(probe)
    outputs = [name for name in tensors if name != input_name]

    def watch(inputs: Array) -> list[Array]:
        count, fed = len(inputs), filled_up(inputs, batch)
        values = run_calibrating(session, outputs, {input_name: fed}) if outputs else []
        found = dict(zip(outputs, values, strict=True)) | {input_name: fed}
        return [_rows(found[name], len(fed))[:count] for name in tensors]

    return watch


def _rows(value: Array, count: int) -> Array:
    """One row an image, so that each value counts once whatever the block's size.

    The batch is the first axis, or merged into it (windows of vision transformers), or, in a few networks, a later one.
    A tensor without it belongs to every image alike.
    """
    if value.ndim and value.shape[0] % count == 0:
        return value.reshape(count, -1)
    if count in value.shape:
        return np.moveaxis(value, value.shape.index(count), 0).reshape(count, -1)
    return np.broadcast_to(value.reshape(1, -1), (count, value.size))


def _histogram(values: Array, low: float, high: float) -> Array:
    span = high - low
    if span <= 0 or not values.size:
        counts = np.zeros(BINS, np.int64)
        counts[0] = values.size
        return counts
    # float32 is twice as fast, but neither the span nor its inverse may leave its range.
    exact: type[np.float32 | np.float64] = np.float32 if 1e-30 < span < 1e30 else np.float64
    flat: Array = values.ravel().astype(exact, copy=False)
    positions = ((flat - exact(low)) * exact(BINS / span)).astype(np.int32)
    return np.bincount(np.clip(positions, 0, BINS - 1), minlength=BINS)


def _summarise(tensors: Sequence[str], low: Array, high: Array, counts: Array | None, observer: Observer) -> Collected:
    ranges: dict[str, Range] = {}
    worst: HalvesReport | None = None
    for index, name in enumerate(tensors):
        bottom, top = float(low[index].min()), float(high[index].max())
        stats = TensorStats(bottom, top, None if counts is None else counts[index].sum(axis=0))
        whole = observer.range(stats).off_ties
        ranges[name] = whole
        if low.shape[1] == 1:
            continue
        if counts is None:
            parts = [observer.range(TensorStats(float(low[index, k]), float(high[index, k]))) for k in (0, 1)]
        else:
            parts = [observer.range(TensorStats(bottom, top, counts[index, k])) for k in (0, 1)]
        span = whole.high - whole.low
        apart = max(abs(parts[0].low - parts[1].low), abs(parts[0].high - parts[1].high))
        difference = apart / span if span else 0.0
        if worst is None or difference > worst.difference:
            worst = HalvesReport(difference, name)
    return Collected(ranges, worst)
