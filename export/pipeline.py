"""The main job: a trained network goes in, a verified and measured artifact comes out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from edgeguard.artifact import GOLDEN, LAB_TABLE, lab_float, lab_int8
from edgeguard.calibration.sets import DataSet, array_set, check_disjoint, open_set
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.errors import BadData
from edgeguard.export.calibrating import choose_set
from edgeguard.export.defending import defend_model, ending_of, fit, wish_of
from edgeguard.export.golden import choose_goldens
from edgeguard.export.graph import Graph
from edgeguard.export.loading import Loaded, LoadedModel, load_any
from edgeguard.export.measure import Answerers, measure
from edgeguard.export.network import Network, keep_in_float, quantize, sample
from edgeguard.export.packing import Package, check_place, publish
from edgeguard.export.prepare import Prepare, Prepared, is_onnx, prepare
from edgeguard.export.request import ExportRequest, Reporter
from edgeguard.export.tools import tool_versions
from edgeguard.manifest import Manifest, ModelFacts, SourceFacts, oldest_reader
from edgeguard.preprocess import Preprocess
from edgeguard.runtimes.goldens import Goldens

__all__ = ["export"]

Array = np.ndarray[Any, Any]

# Enough candidates that some have margin to every decision, few enough to hold in memory.
_CANDIDATES = 256
_NOISE = 8


def export(request: ExportRequest, reporter: Reporter, *, prepare: Prepare = prepare) -> Manifest:
    """Export a network; returns the manifest of the artifact, which then stands at ``request.output``.

    Everything that can be refused is refused before anything is written.

    :param prepare: makes the network that everything later starts from; see :mod:`edgeguard.export.prepare`.
    :raises UsageError: contradicting options.
    :raises RejectedInput: the model or a data set cannot be used, or a guard refuses the result.
    """
    check_place(request.output, replace_existing=request.replace_existing)
    told = _Told(reporter)
    told.step(f"loading {request.load.path.name}")
    loaded = load_any(request.load)
    prepared = prepare(loaded, request.target)
    told.step(f"found {prepared.found}")
    preprocess = request.preprocess(loaded.input_shape)
    classes = prepared.classes
    if request.labels and len(request.labels) != classes:
        raise BadData(f"{len(request.labels)} labels for {classes} classes", where="--labels")
    wish = None if request.defense is None else wish_of(request.defense, classes)
    validation = None
    if request.validation is not None:
        validation = open_set(request.validation, preprocess, loaded.input_shape, names=request.labels)
    network, data = _network(request, loaded, prepared, preprocess, validation, told)
    came_quantized = prepared.graph.came_quantized
    ending = ending_of(network, request.defense)
    fitted = None
    if request.defense is not None and wish is not None:
        fitted = fit(
            request.defense,
            wish,
            network,
            None if came_quantized or network.quantization is None else prepared.logits,
            ending,
            data,
            validation,
            preprocess,
            told,
        )
    defense = None if fitted is None else fitted.defense
    deployed, head = defend_model(ending, fitted, network)

    plain = Head("logits", classes)
    undefended = network.graph.answering(plain, None)
    exact = undefended if network.graph is prepared.graph else prepared.graph.answering(plain, None)
    file = f"model.{deployed.format}"
    post = PostProcessor(head, defense if head.kind == "logits" else None)
    run_deployed = deployed.runner(loaded.batch)
    answerers = Answerers(
        float_model=None if network.quantization is None else exact.runner(loaded.batch),
        undefended=undefended.runner(loaded.batch),
        deployed=lambda inputs: post(run_deployed(inputs)),
    )
    measured_on: Literal["validation", "calibration"] = "calibration" if validation is None else "validation"
    told.step(f"measuring on the {measured_on} set")
    measured = measure(
        answerers,
        data if validation is None else validation,
        measured_on,
        classes=classes,
        defense=defense,
    )
    if came_quantized:
        measured = replace(measured, accuracy_float=None)
    goldens = _goldens(network, data, answerers, defense, told)
    manifest = Manifest(
        target=request.target.name,
        min_onnxruntime=request.target.min_onnxruntime if deployed.format == "onnx" else None,
        source=SourceFacts(request.load.path.name, loaded.sha256, loaded.kind),
        model=ModelFacts(
            file=file,
            format=deployed.format,
            input_name=deployed.input_name,
            input_shape=loaded.input_shape,
            batch=loaded.batch,
            output_name=deployed.output_name,
            head=head,
        ),
        preprocess=preprocess,
        labels=request.labels,
        tools=tool_versions(loaded.kind),
        files={},
        lab={},
        calibration=network.calibration,
        quantization=network.quantization,
        defense=None if fitted is None else fitted.record,
        measured=None if _is_noise(data, network) and validation is None else measured,
        warnings=told.warnings,
        min_reader=oldest_reader(deployed.format),
    )
    lab = {} if came_quantized else {lab_float(deployed.format): exact.to_bytes()}
    if came_quantized or network.quantization is not None:
        lab[lab_int8(deployed.format)] = undefended.to_bytes()
    if network.table is not None:
        lab[LAB_TABLE] = network.table.to_bytes()
    told.step(f"writing {request.output}")
    return publish(
        Package(manifest, {file: deployed.to_bytes(), GOLDEN: goldens.to_bytes()}, lab),
        request.output,
        replace_existing=request.replace_existing,
    )


class _Told:
    """A reporter that remembers its warnings for the manifest."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.warnings: tuple[str, ...] = ()

    def step(self, text: str) -> None:
        self._reporter.step(text)

    def progress(self, done: int, total: int) -> None:
        self._reporter.progress(done, total)

    def warn(self, text: str) -> None:
        self.warnings += (text,)
        self._reporter.warn(text)


def _network(
    request: ExportRequest,
    loaded: Loaded,
    prepared: Prepared[Graph],
    preprocess: Preprocess | None,
    validation: DataSet | None,
    told: _Told,
) -> tuple[Network, DataSet]:
    """The network in its final numeric type, and the set that candidates for goldens come from."""
    if request.quantization is not None and isinstance(loaded, LoadedModel) and is_onnx(prepared):
        data = choose_set(request, loaded, preprocess, told)
        if validation is not None:
            check_disjoint(data, validation)
        return quantize(request, request.quantization, prepared, data, loaded.batch, told), data
    if request.calibration.data is not None:
        data = open_set(
            request.calibration.data,
            preprocess,
            loaded.input_shape,
            limit=request.calibration.limit,
            names=request.labels,
        )
    else:
        data = validation or array_set(_noise(loaded.input_shape, preprocess), synthetic=True)
    return keep_in_float(prepared, sample(data, _CANDIDATES)), data


def _noise(shape: tuple[int, ...], preprocess: Preprocess | None) -> Array:
    """Smooth random inputs, for a float export that was given no image at all: enough to check its answers' form."""
    rng = np.random.default_rng(0)
    if preprocess is None:
        return rng.standard_normal((_NOISE, *shape), np.float32)
    coarse = rng.integers(0, 256, (_NOISE, 4, 4, 3), np.uint8)
    return preprocess(list(coarse))


def _is_noise(data: DataSet, network: Network) -> bool:
    """Whether a set says nothing about how the network does in use."""
    return data.synthetic and network.calibration is None


def _goldens(
    network: Network,
    data: DataSet,
    answerers: Answerers,
    defense: Defense | None,
    told: _Told,
) -> Goldens:
    inputs = sample(data, _CANDIDATES)
    goldens = choose_goldens(inputs, network.logits(inputs), answerers.deployed(inputs), network.step, defense)
    if not len(goldens):
        told.warn(
            "no input is far enough from every decision to be golden: verify can check digests and the head, "
            "but not the answers"
        )
    return goldens
