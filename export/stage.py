"""The network in the numeric type and the format that it will be deployed in, and the inputs that go with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeguard.calibration.sets import DataSet, array_set, check_disjoint, open_set
from edgeguard.export.calibrating import choose_set
from edgeguard.export.graph import Graph
from edgeguard.export.keeping import judging_set
from edgeguard.export.loading import Loaded, LoadedModel
from edgeguard.export.network import Network, keep_in_float, quantize, sample
from edgeguard.export.onnx_graph import OnnxGraph
from edgeguard.export.prepare import Prepared, is_onnx
from edgeguard.export.request import ExportRequest, Reporter
from edgeguard.preprocess import Preprocess

__all__ = ["CANDIDATES", "Inputs", "Stage", "stage_of"]

Array = np.ndarray[Any, Any]

# Candidates for goldens: enough that some have margin to every decision, few enough to hold in memory.
CANDIDATES = 256
_NOISE = 8


@dataclass(frozen=True, slots=True)
class Inputs:
    """What becomes the network's input.

    :param preprocess: ``None`` for inputs that are no images.
    :param validation: images apart from the calibration set, if there are any.
    """

    preprocess: Preprocess | None
    validation: DataSet | None


@dataclass(frozen=True, slots=True)
class Stage:
    """All that the rest of an export is about.

    :param exact: the network as it was before quantization.
    :param network: as it will be deployed, without its defense.
    :param data: the calibration set, or what else there is; candidates for goldens come from it.
    :param given: as this format takes inputs.
    :param input_shape: of one input, without the batch axis.
    :param batch: the batch size that the graph is fixed to, or ``None``.
    """

    exact: Prepared[Graph]
    network: Network
    data: DataSet
    given: Inputs
    input_shape: tuple[int, ...]
    batch: int | None


def stage_of(
    request: ExportRequest, loaded: Loaded, prepared: Prepared[Graph], given: Inputs, reporter: Reporter
) -> Stage:
    """The network, quantized and converted if that was asked for.

    :raises EdgeguardError: a set or the network cannot be used, or a guard refuses the result.
    """
    data = _data(request, loaded, given, reporter)
    if isinstance(loaded, LoadedModel) and is_onnx(prepared):
        if request.format == "tflite":
            return _in_tflite(request, loaded, prepared, data, given, reporter)
        if request.quantization is not None:
            network = quantize(request, request.quantization, prepared, data, loaded.batch, reporter, given.validation)
            return Stage(prepared, network, data, given, loaded.input_shape, loaded.batch)
    network = keep_in_float(prepared, sample(data, CANDIDATES))
    return Stage(prepared, network, data, given, loaded.input_shape, loaded.batch)


def _in_tflite(
    request: ExportRequest,
    loaded: LoadedModel,
    twin: Prepared[OnnxGraph],
    data: DataSet,
    given: Inputs,
    reporter: Reporter,
) -> Stage:
    from edgeguard.export.tflite.convert import laid_out, layout_of
    from edgeguard.export.tflite.laid_out_set import LaidOutSet
    from edgeguard.export.tflite.network import converted, quantized_tflite

    exact = converted(loaded, reporter)
    if request.quantization is None:
        network = keep_in_float(exact, laid_out(sample(data, CANDIDATES)))
    else:
        network = quantized_tflite(
            request, request.quantization, twin, exact, data, loaded.batch, reporter, given.validation
        )
    preprocess, shape = given.preprocess, loaded.input_shape
    if layout_of(shape) == "NHWC":
        preprocess = None if preprocess is None else replace(preprocess, layout="nhwc")
        shape = (*shape[1:], shape[0])
    validation = None if given.validation is None else LaidOutSet(given.validation)
    return Stage(exact, network, LaidOutSet(data), Inputs(preprocess, validation), shape, 1)


def _data(request: ExportRequest, loaded: Loaded, given: Inputs, reporter: Reporter) -> DataSet:
    """The calibration set; for a network that stays as it is, whatever there is to try it on."""
    if request.quantization is not None and isinstance(loaded, LoadedModel):
        data = choose_set(request, loaded, given.preprocess, reporter)
        if given.validation is not None:
            check_disjoint(data, given.validation)
        if request.quantization.max_drop is not None:
            judging_set(data, given.validation)
        return data
    if request.calibration.data is not None:
        return open_set(
            request.calibration.data,
            given.preprocess,
            loaded.input_shape,
            limit=request.calibration.limit,
            names=request.labels,
        )
    return given.validation or array_set(_noise(loaded.input_shape, given.preprocess), synthetic=True)


def _noise(shape: tuple[int, ...], preprocess: Preprocess | None) -> Array:
    """Smooth random inputs, for a float export that was given no image at all: enough to check its answers' form."""
    rng = np.random.default_rng(0)
    if preprocess is None:
        return rng.standard_normal((_NOISE, *shape), np.float32)
    coarse = rng.integers(0, 256, (_NOISE, 4, 4, 3), np.uint8)
    return preprocess(list(coarse))
