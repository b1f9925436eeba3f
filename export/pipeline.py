"""The main job: a trained network goes in, a verified and measured artifact comes out."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from edgeguard.artifact import GOLDEN, LAB_TABLE, lab_float, lab_int8
from edgeguard.calibration.sets import DataSet, open_set
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.errors import BadData
from edgeguard.export.defending import defend_model, ending_of, fit, wish_of
from edgeguard.export.golden import choose_goldens
from edgeguard.export.graph import Graph, Runner
from edgeguard.export.loading import load_any
from edgeguard.export.measure import Answerers, measure
from edgeguard.export.network import Network, sample
from edgeguard.export.packing import Package, check_place, publish
from edgeguard.export.prepare import Prepare, prepare
from edgeguard.export.request import ExportRequest, Reporter
from edgeguard.export.stage import CANDIDATES, Inputs, stage_of
from edgeguard.export.tools import tool_versions
from edgeguard.manifest import Manifest, Measured, ModelFacts, SourceFacts, oldest_reader
from edgeguard.runtimes.goldens import Goldens

__all__ = ["export"]

# Share of the answers; healthy networks lose a hundredth.
_RUINED = 0.1


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
    stage = stage_of(request, loaded, prepared, Inputs(preprocess, validation), told)
    network, data, given = stage.network, stage.data, stage.given
    came_quantized = stage.exact.graph.came_quantized
    ending = ending_of(network, request.defense)
    fitted = None
    if request.defense is not None and wish is not None:
        fitted = fit(
            request.defense,
            wish,
            network,
            None if came_quantized or network.quantization is None else stage.exact.logits,
            ending,
            data,
            given.validation,
            given.preprocess,
            told,
        )
    defense = None if fitted is None else fitted.defense
    deployed, head = defend_model(ending, fitted, network)

    plain = Head("logits", classes)
    undefended = network.graph.answering(plain, None)
    exact = undefended if network.graph is stage.exact.graph else stage.exact.graph.answering(plain, None)
    file = f"model.{deployed.format}"
    run_undefended = undefended.runner(stage.batch)
    answerers = Answerers(
        float_model=None if network.quantization is None else exact.runner(stage.batch),
        undefended=run_undefended,
        deployed=run_undefended if fitted is None else _defended(deployed, head, defense, stage.batch),
    )
    measured_on: Literal["validation", "calibration"] = "calibration" if validation is None else "validation"
    told.step(f"measuring on the {measured_on} set")
    measured = measure(
        answerers,
        data if given.validation is None else given.validation,
        measured_on,
        classes=classes,
        defense=defense,
    )
    if came_quantized:
        measured = replace(measured, accuracy_float=None)
    elif network.quantization is not None:
        _warn_of_int8(measured, told)
    goldens = _goldens(network, data, answerers, defense, told)
    record = None if fitted is None else fitted.record
    manifest = Manifest(
        target=request.target.name,
        min_onnxruntime=request.target.min_onnxruntime if deployed.format == "onnx" else None,
        source=SourceFacts(request.load.path.name, loaded.sha256, loaded.kind),
        model=ModelFacts(
            file=file,
            format=deployed.format,
            input_name=deployed.input_name,
            input_shape=stage.input_shape,
            batch=stage.batch,
            output_name=deployed.output_name,
            head=head,
        ),
        preprocess=given.preprocess,
        labels=request.labels,
        tools=tool_versions(loaded.kind, deployed.format),
        files={},
        lab={},
        calibration=network.calibration,
        quantization=network.quantization,
        defense=record,
        measured=None if _is_noise(data, network) and validation is None else measured,
        warnings=told.warnings,
        min_reader=oldest_reader(deployed.format, record),
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


def _warn_of_int8(measured: Measured, told: _Told) -> None:
    """Say what to do where int8 ruined the network (onnxruntime#13863: debugged, then what?)."""
    # What the defense flips, quantization need not have: the rest at least it has.
    lost = 1 - measured.agreement - (measured.flips or 0.0)
    if lost > _RUINED:
        told.warn(
            f"int8 changes at least {lost:.0%} of the answers: edgeguard inspect ARTIFACT --calibration IMAGES "
            "--sensitivity shows which layers do it, and --max-drop leaves those in float"
        )


def _defended(deployed: Graph, head: Head, defense: Defense | None, batch: int | None) -> Runner:
    """Runs what is deployed, and on the host what is not in its graph."""
    post = PostProcessor(head, defense if head.kind == "logits" else None)
    run = deployed.runner(batch)
    return lambda inputs: post(run(inputs))


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
    inputs = sample(data, CANDIDATES)
    goldens = choose_goldens(inputs, network.logits(inputs), answerers.deployed(inputs), network.step, defense)
    if not len(goldens):
        told.warn(
            "no input is far enough from every decision to be golden: verify can check digests and the head, "
            "but not the answers"
        )
    return goldens
