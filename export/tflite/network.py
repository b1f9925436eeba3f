"""The network of the main job in TFLite: converted, and in int8 with the ranges and the weights of its ONNX twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeguard.calibration.effort import check_for_tflite
from edgeguard.calibration.observers import find_observer
from edgeguard.calibration.sets import DataSet
from edgeguard.errors import BadModel, GuardFailed
from edgeguard.export.found_head import LOGITS
from edgeguard.export.loading import LoadedModel
from edgeguard.export.network import Network, calibration_facts, in_integers, sample, step_of
from edgeguard.export.onnx_graph import OnnxGraph
from edgeguard.export.prepare import Prepared
from edgeguard.export.request import ExportRequest, QuantizationChoice, Reporter
from edgeguard.export.tflite.convert import convert, laid_out
from edgeguard.export.tflite.graph import TfliteGraph
from edgeguard.export.tflite.head import cut_tflite, find_tflite_head
from edgeguard.export.tflite.int8 import to_int8
from edgeguard.manifest import QuantizationFacts
from edgeguard.runtimes.litert_session import open_litert

__all__ = ["converted", "quantized_tflite"]

# Inputs that kernels are compared on.
_COMPARED = 16
# XNNPACK and the built-in kernels round differently, by a few steps at the logits and never by more than this.
_KERNEL_STEPS = 8.0


def converted(loaded: LoadedModel, reporter: Reporter) -> Prepared[TfliteGraph]:
    """The float network as a TFLite model that ends in logits.

    :raises MissingExtra: litert-torch is not installed.
    :raises BadModel: it came as ONNX or TorchScript, or cannot be converted.
    :raises GuardFailed: the TFLite model computes something else.
    """
    if loaded.module is None:
        raise BadModel(
            "an ONNX file cannot be converted to TFLite",
            fix="Export from the torch network: its state_dict (--arch pkg.module:factory), or a .pt2",
        )
    reporter.step("converting to TFLite")
    data = convert(loaded.module, loaded.input_shape)
    head = find_tflite_head(data)
    graph = TfliteGraph(cut_tflite(data, head))
    return Prepared(str(head), graph, graph.runner(1), head.classes)


def quantized_tflite(
    request: ExportRequest,
    choice: QuantizationChoice,
    twin: Prepared[OnnxGraph],
    exact: Prepared[TfliteGraph],
    data: DataSet,
    batch: int | None,
    reporter: Reporter,
    validation: DataSet | None = None,
) -> Network:
    """The network in int8, ending in float logits that come from integers.

    :param twin: the same network in ONNX. It is quantized and refined, and what it then holds goes into this file, too.
    :param data: the calibration set, as the torch network takes it.
    :param batch: the batch size that the twin is fixed to.
    :param validation: other images, as the torch network takes them. What has to stay in float is judged by the twin,
        so that both formats keep the same layers.
    :raises UsageError: a refinement is none for TFLite.
    :raises GuardFailed: kernels disagree about its answers.
    """
    check_for_tflite(choice.effort)
    # LiteRT's kernels never saturate, so that its weights have 8 bits on every device.
    target = replace(request.target, reduce_range=False)
    onnx = in_integers(replace(request, target=target), choice, twin, data, batch, reporter, validation)
    reporter.step(f"quantizing for {target.name}, in TFLite")
    made = to_int8(
        exact.graph.data,
        onnx.network,
        onnx.quantized,
        onnx.ranges,
        data,
        find_observer(request.calibration.observer),
        batch=batch,
        keep_float=onnx.kept_float,
        progress=reporter.progress,
    )
    if made.left and onnx.refinements:
        reporter.warn(
            f"{len(made.left)} layers have no counterpart in the TFLite model and stay unrefined there: "
            f"{', '.join(made.left)}"
        )
    graph = TfliteGraph(made.data)
    step = step_of(onnx.ranges[LOGITS])
    difference = _kernel_difference(graph, laid_out(sample(data, _COMPARED))) / step
    if difference > _KERNEL_STEPS:
        raise GuardFailed(
            f"XNNPACK's kernels and the built-in ones differ by {difference:.1f} quantization steps at the logits",
            fix="Find the operator with --keep-float and please report it",
        )
    facts = QuantizationFacts(
        activation_type="int8",
        weight_type="int8",
        per_channel=True,
        reduce_range=False,
        head=choice.head,
        kept_float=onnx.kept_float,
        integer_mac_share=made.integer_mac_share,
        optimizer_max_steps=difference,
        float_bytes=len(exact.graph.data),
        int8_bytes=len(graph.data),
        refinements=onnx.refinements,
    )
    facts_of_set = calibration_facts(onnx.table, data)
    return Network(graph, graph.runner(1), exact.classes, step, facts, facts_of_set, onnx.table)


def _kernel_difference(graph: TfliteGraph, inputs: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    fast, plain = (open_litert(graph.data, xnnpack=xnnpack).run(inputs) for xnnpack in (True, False))
    return float(np.abs(fast - plain).max())
