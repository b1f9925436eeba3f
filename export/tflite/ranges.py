"""The ranges of a TFLite model's tensors, from the calibration table of the ONNX model of the same network.

What the table knows comes from it. The rest is measured on the TFLite model, over the same set with the same
observer: values that only this converter's graph has (it fuses and splits otherwise), those that could be either of two
values with different ranges, and those that held one number only. Outputs of operators that move numbers around have
the range of what they move.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgeguard.calibration.collect import observe
from edgeguard.calibration.observers import Observer, Range
from edgeguard.calibration.running import Progress
from edgeguard.calibration.sets import DataSet
from edgeguard.export.tflite.flatbuffer import unpack
from edgeguard.export.tflite.matching import Matched, activations
from edgeguard.export.tflite.operators import quantizable_activations
from edgeguard.export.tflite.watching import watch_tflite

__all__ = ["TfliteRanges", "ranges_for"]

# Ranges of values that hold the same numbers differ by rounding alone; beyond this they are two values.
_ALIKE = 1e-4


@dataclass(frozen=True, slots=True)
class TfliteRanges:
    """Ranges by the names of a matched model's tensors.

    :param measured: those that were measured on the TFLite model itself.
    """

    ranges: dict[str, Range]
    measured: tuple[str, ...]


def ranges_for(
    matched: Matched,
    table: Mapping[str, Range],
    data: DataSet,
    observer: Observer,
    *,
    kept: Collection[str] = (),
    progress: Progress | None = None,
) -> TfliteRanges:
    """A range for every activation that quantization needs.

    :param table: by ONNX value.
    :param data: the set that the table was made from.
    :param kept: tensors whose operators stay in float.
    :raises BadModel: nothing can be quantized, or a tensor takes a value that is not finite.
    """
    needed = quantizable_activations(matched.data, kept)
    known = {name: _known(matched.values[name], table) for name, source in needed.items() if source is None}
    missing = tuple(name for name, limits in known.items() if limits is None)
    ranges = {name: limits for name, limits in known.items() if limits is not None}
    if missing:
        graph = unpack(matched.data).subgraphs[0]
        indices = {graph.tensors[index].name.decode(): index for index in activations(matched.data)}
        watch = watch_tflite(matched.data, [indices[name] for name in missing])
        ranges |= observe(watch, missing, data, observer, progress=progress).ranges
    for name, source in needed.items():
        if source is not None:
            ranges[name] = source if isinstance(source, Range) else ranges[source]
    return TfliteRanges({name: ranges[name] for name in needed}, missing)


def _known(values: tuple[str, ...], table: Mapping[str, Range]) -> Range | None:
    found = [table[value] for value in values if value in table]
    if not found:
        return None
    first = found[0]
    span = _ALIKE * (first.high - first.low)
    if any(abs(other.low - first.low) > span or abs(other.high - first.high) > span for other in found):
        return None
    return first
