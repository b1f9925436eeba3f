"""Running the float and the int8 network side by side, and watching what each layer gives.

Both in one pass over the images, after one that finds the extremes; nothing is kept but sums and counts. Of the int8
network the integers are watched, so that its kernels stay those that run on a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.calibration.collect import Watch, watch_onnx
from edgeguard.calibration.data_set import DataSet
from edgeguard.calibration.running import Progress, report
from edgeguard.errors import BadModel
from edgeguard.export.fidelity import decibels
from edgeguard.export.inspection.facts import OutputGrid, output_grid
from edgeguard.export.inspection.histogram import BINS, Histogram, counted
from edgeguard.export.layers import layers_of
from edgeguard.export.passes.quantize import probe

__all__ = ["Seen", "watch_layers"]

Array = np.ndarray[Any, Any]

_BLOCK = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """A layer's output over some images.

    :param low: the smallest value in the float network; ``high`` is the largest.
    :param sqnr_db: signal to noise ratio of the output, with everything before the layer in int8, too; ``None`` where
        nothing differs, and for a network in float.
    :param clipped: share of the float network's values that lie beyond the ends of the grid, by more than half a step,
        0..1; ``None`` without a grid.
    :param values: of the float network.
    """

    low: float
    high: float
    sqnr_db: float | None
    clipped: float | None
    values: Histogram


@dataclass(slots=True)
class _Sums:
    """Of one layer."""

    grid: OutputGrid | None
    low: float = np.inf
    high: float = -np.inf
    signal: float = 0.0
    noise: float = 0.0
    beyond: int = 0
    numbers: int = 0
    counts: Array = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @property
    def ends(self) -> tuple[float, float]:
        """Of the histogram: the values, and the grid so that its ends can be drawn."""
        if self.grid is None:
            return self.low, self.high
        return min(self.low, self.grid.low), max(self.high, self.grid.high)


def watch_layers(
    exact: ModelProto,
    deployed: ModelProto | None,
    data: DataSet,
    *,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Mapping[str, Seen]:
    """What each layer gives, by the name of its node.

    :param exact: the float network.
    :param deployed: the int8 network without its defense; ``None`` watches the float one alone.
    :param batch: the batch size that both are fixed to, if they are.
    :raises BadModel: a value is not finite, or a network does not run.
    :raises BadData: an image is unusable.
    """
    produced = {name for node in exact.graph.node for name in node.output}
    layers = [layer for layer in layers_of(deployed or exact) if layer.output in produced or deployed is None]
    grids = {layer.name: None if deployed is None else output_grid(deployed, layer) for layer in layers}
    # Two layers may end in one value only if one of them is nothing but the other's activation.
    outputs = tuple(dict.fromkeys(layer.output for layer in layers))
    watch = _watch(exact, outputs, batch)
    sums = {layer.name: _Sums(grids[layer.name]) for layer in layers}
    total = 2 * len(data)
    done = 0
    for block in data.batches(batch or _BLOCK):
        values = dict(zip(outputs, watch(block.inputs), strict=True))
        for layer in layers:
            one = values[layer.output]
            if not np.isfinite(one).all():
                raise BadModel("takes values that are not finite", where=f"tensor {layer.output!r}")
            mine = sums[layer.name]
            mine.low, mine.high = min(mine.low, float(one.min())), max(mine.high, float(one.max()))
        done = report(progress, done + len(block.inputs), total)
    watch_other = None if deployed is None else _watch(deployed, _tensors(layers, grids), batch)
    for block in data.batches(batch or _BLOCK):
        values = dict(zip(outputs, watch(block.inputs), strict=True))
        others = [None] * len(layers) if watch_other is None else watch_other(block.inputs)
        for layer, other in zip(layers, others, strict=True):
            _add(sums[layer.name], values[layer.output].astype(np.float64), other)
        done = report(progress, done + len(block.inputs), total)
    return {name: _seen(each, deployed is not None) for name, each in sums.items()}


def _tensors(layers: list[Any], grids: Mapping[str, OutputGrid | None]) -> tuple[str, ...]:
    found = []
    for layer in layers:
        grid = grids[layer.name]
        found.append(layer.output if grid is None else grid.tensor)
    return tuple(found)


def _watch(model: ModelProto, tensors: tuple[str, ...], batch: int | None) -> Watch:
    return watch_onnx(probe(model, tensors), model.graph.input[0].name, tensors, batch)


def _add(sums: _Sums, exact: Array, other: Array | None) -> None:
    low, high = sums.ends
    sums.counts += counted(exact, low, high)
    sums.numbers += exact.size
    grid = sums.grid
    if grid is not None:
        half = grid.scale / 2
        sums.beyond += int(((exact < grid.low - half) | (exact > grid.high + half)).sum())
    if other is not None:
        held = other.astype(np.float64)
        if grid is not None and other.dtype.kind in "iu":
            held = (held - grid.zero_point) * grid.scale
        sums.signal += float(np.square(exact).sum())
        sums.noise += float(np.square(held - exact).sum())


def _seen(sums: _Sums, compared: bool) -> Seen:
    low, high = sums.ends
    return Seen(
        sums.low,
        sums.high,
        decibels(sums.signal, sums.noise) if compared else None,
        None if sums.grid is None else sums.beyond / sums.numbers,
        Histogram(low, high, tuple(int(count) for count in sums.counts)),
    )
