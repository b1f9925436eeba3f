"""Inspecting an artifact: its own file, and where images are given the networks in its lab."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import ModelProto

from edgeguard.artifact import LAB_FLOAT, LAB_INT8, LAB_TABLE, Artifact, lab_directory, lab_float
from edgeguard.calibration.data_set import DataSet
from edgeguard.calibration.running import Progress
from edgeguard.calibration.table import load_table
from edgeguard.errors import UsageError
from edgeguard.export.graph import Runner
from edgeguard.export.head import cut_to_logits, find_head
from edgeguard.export.inspection.facts import LayerFacts, onnx_facts
from edgeguard.export.inspection.watching import Seen, watch_layers
from edgeguard.export.inspection.weights import WeightsSeen, watch_weights
from edgeguard.export.onnx_graph import OnnxGraph
from edgeguard.export.passes.quantize import Quantize
from edgeguard.export.sensitivity import Sensitivity, measure_sensitivity
from edgeguard.runtimes.loading import probe_model
from edgeguard.targets import find_target

__all__ = ["InspectedLayer", "Inspection", "inspect_artifact", "measure_layers", "measure_parts"]


@dataclass(frozen=True, slots=True)
class InspectedLayer:
    """One row.

    :param weights: ``None`` for TFLite.
    :param seen: ``None`` without images.
    """

    facts: LayerFacts
    weights: WeightsSeen | None
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """All of it.

    :param images: how many each layer was watched on; 0 without images.
    :param notes: what is not shown, why, and how to have it.
    """

    layers: tuple[InspectedLayer, ...]
    images: int = 0
    sensitivity: Sensitivity | None = None
    notes: tuple[str, ...] = ()


def inspect_artifact(artifact: Artifact) -> Inspection:
    """What the files alone say.

    :raises BadModel: the model's engine refuses it.
    :raises Untrusted: the lab belongs to another export.
    """
    manifest = artifact.manifest
    if manifest.model.format == "tflite":
        from edgeguard.export.inspection.tflite_facts import tflite_facts

        probe_model(artifact.model_path, "tflite")
        rows = tuple(InspectedLayer(each, None) for each in tflite_facts(artifact.model_path.read_bytes()))
        return Inspection(rows, notes=(f"SQNR, clipped values, histograms: {_TWIN}",))
    model = onnx.load(artifact.model_path)
    exact, notes = _float_network(artifact)
    weights = watch_weights(exact, model)
    facts = onnx_facts(model, manifest.model.batch)
    return Inspection(tuple(InspectedLayer(each, weights.get(each.name)) for each in facts), notes=notes)


def measure_layers(
    artifact: Artifact, found: Inspection, data: DataSet, *, progress: Progress | None = None
) -> Inspection:
    """The same with what each layer gives for images.

    :raises UsageError: it is in TFLite, or the lab lacks a network.
    :raises RejectedInput: an image is unusable, or a value is not finite.
    """
    _refuse(artifact)
    exact = onnx.load(artifact.lab_file(LAB_FLOAT))
    deployed = None
    if artifact.manifest.quantization is not None:
        deployed = onnx.load(artifact.lab_file(LAB_INT8))
    seen = watch_layers(exact, deployed, data, batch=artifact.manifest.model.batch, progress=progress)
    layers = tuple(InspectedLayer(each.facts, each.weights, seen.get(each.facts.name)) for each in found.layers)
    return Inspection(layers, len(data), found.sensitivity, found.notes)


def measure_parts(
    artifact: Artifact, found: Inspection, data: DataSet, *, progress: Progress | None = None
) -> Inspection:
    """The same with each layer's part in int8's error: the network in the lab is quantized anew, twice a layer, on the
    ranges that it was exported with. Levels are rounded to the nearest.

    :raises UsageError: it is in TFLite or in float, or the lab lacks its network or its ranges.
    :raises RejectedInput: an image is unusable, or the network cannot be quantized again.
    """
    _refuse(artifact)
    facts = artifact.manifest.quantization
    if facts is None:
        raise UsageError(
            "nothing in it is int8, so no layer is sensitive to that",
            where=f"--sensitivity: {artifact.path}",
            fix="Export with --int8",
        )
    whole = onnx.load(artifact.lab_file(LAB_FLOAT))
    model = cut_to_logits(whole, find_head(whole))
    ranges = load_table(artifact.lab_file(LAB_TABLE)).ranges
    target, batch = find_target(artifact.manifest.target), artifact.manifest.model.batch

    def quantize(kept: tuple[str, ...]) -> Runner:
        passed = Quantize(target, ranges, keep_float=kept, head=facts.head)
        passed.requires(model)
        return OnnxGraph(passed.run(model)).runner(batch)

    exact = OnnxGraph(model).runner(batch)
    measured = measure_sensitivity(model, quantize, exact, data, kept=facts.kept_float, progress=progress)
    return Inspection(found.layers, found.images, measured, found.notes)


_TWIN = (
    "LiteRT keeps inner tensors to itself. Inspect the ONNX artifact of the same network, which has the same ranges: "
    "export --format onnx,tflite makes NAME-onnx.edgeguard beside this one"
)


def _refuse(artifact: Artifact) -> None:
    where = str(artifact.path)
    if artifact.manifest.model.format == "tflite":
        raise UsageError("is in TFLite, of which only the file is inspected", where=where, fix=_TWIN)
    # A lab that is not there at all has its own message.
    if artifact.manifest.lab and LAB_FLOAT not in artifact.manifest.lab:
        raise UsageError(
            "came quantized: there is no float network to compare its layers with",
            where=where,
            fix="Export the float network that it was made from, with --int8",
        )


def _float_network(artifact: Artifact) -> tuple[ModelProto | None, tuple[str, ...]]:
    """From the lab, if it is there."""
    if lab_float("onnx") not in artifact.manifest.lab:
        return None, (
            "what rounding does to weights: the network came quantized, there is no float one to compare with",
        )
    if not lab_directory(artifact.path).is_dir():
        return None, ("what rounding does to weights: it takes the lab, which is not beside the artifact",)
    return onnx.load(artifact.lab_file(LAB_FLOAT)), ()
