"""The network without its defense, in the numeric type it will be deployed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.calibration.effort import Effort
from edgeguard.calibration.observers import Range
from edgeguard.calibration.sets import DataSet
from edgeguard.calibration.table import CalibrationTable
from edgeguard.errors import GuardFailed
from edgeguard.export.calibrating import obtain_table
from edgeguard.export.checks import integer_mac_share, optimizer_difference, unfolded_batch_norms
from edgeguard.export.found_head import LOGITS
from edgeguard.export.graph import Graph, Runner
from edgeguard.export.max_drop import float_nodes
from edgeguard.export.onnx_graph import OnnxGraph
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.quantize import Quantize, quantizable_tensors
from edgeguard.export.prepare import Prepared
from edgeguard.export.refining.bias import FastBias
from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.equalize import Equalize
from edgeguard.export.refining.partial import Trial
from edgeguard.export.refining.refine import IMAGES, refined
from edgeguard.export.request import ExportRequest, QuantizationChoice, Reporter
from edgeguard.manifest import CalibrationFacts, QuantizationFacts, RefinementFacts

__all__ = [
    "InIntegers",
    "Network",
    "calibrated",
    "calibration_facts",
    "in_integers",
    "keep_in_float",
    "quantize",
    "sample",
    "step_of",
]

Array = np.ndarray[Any, Any]

# Graph optimizations may move a logit by rounding differently, never by more than this (onnxruntime#11576, #24711).
_OPTIMIZER_STEPS = 8.0
_LEVELS = 255
# Below this, what stays in float decides the latency.
_INTEGER_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Network:
    """A network that ends in float logits.

    :param logits: runs it: inputs ``[n, *input_shape]`` to float logits ``[n, classes]``.
    :param step: one quantization step of the logits, in logits.
    :param classes: number of logits.
    """

    graph: Graph
    logits: Runner
    classes: int
    step: float
    quantization: QuantizationFacts | None = None
    calibration: CalibrationFacts | None = None
    table: CalibrationTable | None = None


def keep_in_float(prepared: Prepared[Graph], inputs: Array) -> Network:
    """The network as it is; its step is what int8 logits over ``inputs`` would have."""
    logits = prepared.logits(inputs)
    step = _step(min(0.0, float(logits.min())), max(0.0, float(logits.max())))
    return Network(prepared.graph, prepared.logits, prepared.classes, step)


def quantize(
    request: ExportRequest,
    choice: QuantizationChoice,
    prepared: Prepared[OnnxGraph],
    data: DataSet,
    batch: int | None,
    reporter: Reporter,
    validation: DataSet | None = None,
) -> Network:
    """The network in int8, with everything its guards measured.

    :param validation: images apart from ``data``, to judge by what has to stay in float.
    :raises GuardFailed: graph optimizations change its answers.
    """
    made = in_integers(request, choice, prepared, data, batch, reporter, validation)
    quantized, table = made.quantized, made.table
    step = step_of(table.ranges[LOGITS])
    difference = optimizer_difference(quantized, sample(data, 32), batch) / step
    if difference > _OPTIMIZER_STEPS:
        raise GuardFailed(
            f"graph optimizations move a logit by {difference:.1f} quantization steps (onnxruntime#11576)",
            fix="Find the operator with --keep-float and please report it",
        )
    share = integer_mac_share(quantized)
    if share < _INTEGER_SHARE:
        reporter.warn(
            f"only {share:.0%} of the multiply-accumulates run in integer kernels: int8 will be no faster than float "
            "here (onnxruntime#12487)"
        )
    facts = QuantizationFacts(
        activation_type=request.target.activation_type,
        weight_type=request.target.weight_type,
        per_channel=request.target.per_channel,
        reduce_range=request.target.reduce_range,
        head=choice.head,
        kept_float=made.kept_float,
        integer_mac_share=share,
        optimizer_max_steps=difference,
        float_bytes=prepared.graph.model.ByteSize(),
        int8_bytes=quantized.ByteSize(),
        refinements=made.refinements,
    )
    graph = OnnxGraph(quantized)
    return Network(
        graph,
        graph.runner(batch),
        prepared.classes,
        step,
        facts,
        calibration_facts(table, data),
        table,
    )


@dataclass(frozen=True, slots=True, eq=False)
class InIntegers:
    """An int8 ONNX network, refined.

    :param network: the float network that it was made from, perhaps with scaled channels.
    :param ranges: those that it is on: of the table, but for those that a search changed.
    :param kept_float: nodes that were left in float.
    """

    network: ModelProto
    quantized: ModelProto
    table: CalibrationTable
    ranges: Mapping[str, Range]
    kept_float: tuple[str, ...]
    refinements: tuple[RefinementFacts, ...]


def in_integers(
    request: ExportRequest,
    choice: QuantizationChoice,
    prepared: Prepared[OnnxGraph],
    data: DataSet,
    batch: int | None,
    reporter: Reporter,
    validation: DataSet | None,
) -> InIntegers:
    """Calibrate, quantize and refine a float network.

    :raises EdgeguardError: a set or the network cannot be used, or a guard refuses the result.
    """
    prepared = _equalized(prepared, choice.effort, batch)
    network = prepared.graph.model
    if left := unfolded_batch_norms(network):
        reporter.warn(
            f"{len(left)} BatchNorm layers, {left[0]!r} the first, follow no convolution to be folded into: "
            "each is an island in float between integers (onnxruntime#12487)"
        )
    table = calibrated(request, choice, prepared, data, batch, reporter)
    trial = Trial(data, min(IMAGES, len(data)), batch)

    def quantizing(kept: tuple[str, ...], ranges: Mapping[str, Range]) -> Quantize:
        return Quantize(request.target, ranges, keep_float=kept, head=choice.head)

    def drafted(kept: tuple[str, ...]) -> Draft:
        return Draft.of(network, table.ranges, lambda source, ranges: quantizing(kept, ranges).run(source))

    def tried(kept: tuple[str, ...]) -> Runner:
        # Of the refinements the one that takes no time: dozens of choices are tried.
        draft = drafted(kept)
        corrected = FastBias().refine(draft, trial) if choice.effort.refinements else draft
        return OnnxGraph(corrected.quantized).runner(batch)

    kept = float_nodes(choice, prepared, tried, data, validation, reporter)
    reporter.step(f"quantizing for {request.target.name}")
    quantizing(kept, table.ranges).requires(network)
    draft, facts = refined(drafted(kept), choice.effort, trial, reporter)
    quantizing(kept, draft.ranges).ensures(network, draft.quantized)
    return InIntegers(network, draft.quantized, table, draft.ranges, kept, facts)


def _equalized(prepared: Prepared[OnnxGraph], effort: Effort, batch: int | None) -> Prepared[OnnxGraph]:
    if Equalize.name not in effort.refinements:
        return prepared
    graph = OnnxGraph(run_passes(prepared.graph.model, [Equalize()]))
    return replace(prepared, graph=graph, logits=graph.runner(batch))


def calibrated(
    request: ExportRequest,
    choice: QuantizationChoice,
    prepared: Prepared[OnnxGraph],
    data: DataSet,
    batch: int | None,
    reporter: Reporter,
) -> CalibrationTable:
    """The ranges of everything that could be quantized, and of the logits.

    Whatever layers are kept in float, the table is the same, and need not be measured again (onnxruntime#21908).

    :raises EdgeguardError: what is to be kept is not there, or see :func:`edgeguard.export.calibrating.obtain_table`.
    """
    model = prepared.graph.model
    # The logits' range gives the step that goldens are measured in, whether or not they are quantized. And a Relu that
    # is kept in float leaves a layer's own output to be rounded.
    tensors = dict.fromkeys((*quantizable_tensors(model), *quantizable_tensors(model, choice.keep_float), LOGITS))
    return obtain_table(request, model, tuple(tensors), data, batch, reporter)


def sample(data: DataSet, count: int) -> Array:
    """The first ``count`` inputs of a set."""
    blocks = [batch.inputs for batch in islice(data.batches(min(count, 32)), -(-count // 32))]
    return np.concatenate(blocks)[:count]


def calibration_facts(table: CalibrationTable, data: DataSet) -> CalibrationFacts:
    """Where the ranges come from, for the manifest."""
    return CalibrationFacts(
        source="synthetic" if data.synthetic else "images",
        images=len(data),
        observer=table.key.observer,
        observer_parameters=dict(table.key.parameters),
        digest=table.key.data,
        table=table.key.digest,
        halves_difference=None if table.halves is None else table.halves.difference,
        halves_tensor=None if table.halves is None else table.halves.tensor,
    )


def step_of(limits: Range) -> float:
    """One of the 255 steps that a range is divided into."""
    return _step(limits.low, limits.high)


def _step(low: float, high: float) -> float:
    return max((high - low) / _LEVELS, float(np.finfo(np.float32).tiny))
