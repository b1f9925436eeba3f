"""Which layers quantization hurts: each in int8 alone, and each in float alone.

What a layer costs is measured twice, on the logits. *In int8 alone*, with everything else in float, its own rounding is
all there is: errors of single layers nearly add up, so this ranks them, and still does where two are ruined at once.
*In float alone*, with all else in int8, it is what ``--keep-float`` would bring.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.calibration.data_set import DataSet
from edgeguard.calibration.running import Progress, report
from edgeguard.export.fidelity import Compared, Fidelity
from edgeguard.export.graph import Runner
from edgeguard.export.layers import Layer, layers_of
from edgeguard.export.passes.quantize import quantized_nodes

__all__ = [
    "MOST_IMAGES",
    "LayerSensitivity",
    "Quantizer",
    "Sensitivity",
    "keep_float_text",
    "measure_sensitivity",
    "quantized_layers",
    "rank_layers",
    "spread",
]

Array = np.ndarray[Any, Any]
# Quantizes a network with some nodes, by name, left in float, and gives what runs it: inputs to float logits.
Quantizer = Callable[[tuple[str, ...]], Runner]

# Held in memory, for each variant sees the same. More images hardly change a ranking by mean squared errors.
MOST_IMAGES = 128
_BLOCK = 32


@dataclass(frozen=True, slots=True)
class LayerSensitivity:
    """One layer.

    :param layer: name of its node, as ``--keep-float`` takes it.
    :param kind: its operator.
    :param int8_alone: all else in float.
    :param float_alone: all else as it was quantized; ``None`` for the only layer, without which nothing is in int8.
    """

    layer: str
    kind: str
    int8_alone: Fidelity
    float_alone: Fidelity | None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """All of them, the most sensitive first.

    :param quantized: with every layer in int8, but for those that are kept anyway.
    :param kept: nodes that are kept in float anyway.
    """

    images: int
    quantized: Fidelity
    layers: tuple[LayerSensitivity, ...]
    kept: tuple[str, ...] = ()

    @property
    def keep_float(self) -> tuple[str, ...]:
        """The fewest layers that together make at least half of the error; never all there are.

        Half: leaving them in float should win 3 dB.
        """
        errors = np.array([each.int8_alone.mse for each in self.layers])
        if len(errors) < 2 or not errors.sum() > 0:
            return ()
        count = int(np.searchsorted(np.cumsum(errors), errors.sum() / 2)) + 1
        return tuple(each.layer for each in self.layers[: min(count, len(errors) - 1)])


def measure_sensitivity(
    model: ModelProto,
    quantize: Quantizer,
    exact: Runner,
    data: DataSet,
    *,
    kept: tuple[str, ...] = (),
    most: int = MOST_IMAGES,
    progress: Progress | None = None,
) -> Sensitivity:
    """Quantize the network twice for each layer, and compare its logits with those of the float network.

    :param model: the float network.
    :param exact: runs it: inputs ``[n, *input_shape]`` to float logits ``[n, classes]``.
    :param kept: nodes that stay in float whatever is tried.
    :param most: images to compare on, spread evenly over the set.
    :raises RejectedInput: an image is unusable, or a variant cannot be quantized.
    """
    layers = quantized_layers(model, kept)
    variants = _Variants(quantize, exact, spread(data, most), 2 * len(layers) + 1, progress)
    found = []
    for layer, others in _others(model, layers, kept):
        beside = variants.compared((*kept, layer.name)) if len(layers) > 1 else None
        found.append(LayerSensitivity(layer.name, layer.kind, variants.compared((*kept, *others)), beside))
    # Of equals the one that comes first in the network.
    ranked = tuple(sorted(found, key=lambda each: -each.int8_alone.mse))
    return Sensitivity(variants.images, variants.compared(kept), ranked, kept)


def rank_layers(
    model: ModelProto,
    quantize: Quantizer,
    exact: Runner,
    data: DataSet,
    *,
    kept: tuple[str, ...] = (),
    most: int = MOST_IMAGES,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Names of the layers, the most sensitive first: :func:`measure_sensitivity` at half its cost."""
    layers = quantized_layers(model, kept)
    variants = _Variants(quantize, exact, spread(data, most), len(layers), progress)
    errors = {layer.name: variants.compared((*kept, *others)).mse for layer, others in _others(model, layers, kept)}
    return tuple(sorted(errors, key=lambda name: -errors[name]))


def quantized_layers(model: ModelProto, kept: tuple[str, ...] = ()) -> tuple[Layer, ...]:
    """The layers that quantization would take, in graph order."""
    names = {node.name for node in quantized_nodes(model, kept)}
    return tuple(layer for layer in layers_of(model) if layer.name in names)


def keep_float_text(layers: tuple[str, ...]) -> str:
    """Options for ``edgeguard export``, ready for a shell."""
    return " ".join(f"--keep-float {shlex.quote(name)}" for name in layers)


def spread(data: DataSet, most: int) -> Array:
    """Up to ``most`` inputs, evenly spread over a set that is read once."""
    count = min(most, len(data))
    wanted = np.arange(count) * len(data) // count
    taken, start = [], 0
    for batch in data.batches(_BLOCK):
        end = start + len(batch.inputs)
        taken.append(batch.inputs[wanted[(wanted >= start) & (wanted < end)] - start])
        start = end
    return np.concatenate(taken)


def _others(
    model: ModelProto, layers: tuple[Layer, ...], kept: tuple[str, ...]
) -> Iterator[tuple[Layer, tuple[str, ...]]]:
    """Each layer with all that is quantized beside it."""
    every = [node.name for node in quantized_nodes(model, kept)]
    for layer in layers:
        own = {layer.name, *layer.activations}
        yield layer, tuple(name for name in every if name not in own)


class _Variants:
    """Compares quantized variants of a network with the float one, on the same inputs."""

    def __init__(
        self, quantize: Quantizer, exact: Runner, inputs: Array, total: int, progress: Progress | None
    ) -> None:
        self.images = len(inputs)
        self._quantize, self._progress, self._total, self._done = quantize, progress, total, 0
        self._blocks = [inputs[start : start + _BLOCK] for start in range(0, len(inputs), _BLOCK)]
        self._exact = [exact(block) for block in self._blocks]

    def compared(self, left: tuple[str, ...]) -> Fidelity:
        """The variant with these nodes left in float."""
        run, sums = self._quantize(left), Compared()
        for block, wanted in zip(self._blocks, self._exact, strict=True):
            sums.add(wanted, run(block))
        self._done += 1
        report(self._progress, self._done, self._total)
        return sums.found
