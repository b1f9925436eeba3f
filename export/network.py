"""The network without its defense, in the numeric type it will be deployed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.calibration.sets import DataSet
from edgeguard.calibration.table import CalibrationTable
from edgeguard.errors import BadModel, GuardFailed
from edgeguard.export.calibrating import obtain_table
from edgeguard.export.checks import integer_mac_share, optimizer_difference
from edgeguard.export.head import LOGITS, cut_to_logits, find_head
from edgeguard.export.loading import LoadedModel
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.flat_bias import FlatBias
from edgeguard.export.passes.fold import Fold
from edgeguard.export.passes.opset import Lift, Opset
from edgeguard.export.passes.quantize import Quantize, quantizable_tensors
from edgeguard.export.passes.strip import Strip
from edgeguard.export.request import ExportRequest, QuantizationChoice, Reporter
from edgeguard.manifest import CalibrationFacts, QuantizationFacts
from edgeguard.runtimes.ort_session import open_session, run_session
from edgeguard.targets import Target

__all__ = ["Network", "answerer", "keep_in_float", "leave_alone", "prepare", "quantize", "sample"]

Array = np.ndarray[Any, Any]

# Graph optimizations may move a logit by rounding differently, never by more than this (onnxruntime#11576, #24711).
_OPTIMIZER_STEPS = 8.0
_LEVELS = 255
# Inputs that a network is tried on, and how far from 1 its answers' sums are those of logits, not of a posterior.
_TRIED = 4
_SUM = 1e-3
# Below this, what stays in float decides the latency.
_INTEGER_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Network:
    """A network that ends in float logits.

    :param logits: runs it: inputs ``[n, *input_shape]`` to float logits ``[n, classes]``.
    :param step: one quantization step of the logits, in logits.
    :param classes: number of logits.
    """

    model: ModelProto
    logits: Callable[[Array], Array]
    classes: int
    step: float
    quantization: QuantizationFacts | None = None
    calibration: CalibrationFacts | None = None
    table: CalibrationTable | None = None


def prepare(loaded: LoadedModel, target: Target) -> tuple[ModelProto, int]:
    """The float network as every later step wants it: stripped, in the target's operator set, folded, ending in logits.

    :returns: the network and its number of classes.
    :raises BadModel: it has no classification head, or does not run.
    """
    return _ending_in_logits(run_passes(loaded.model, [Strip(), Opset(target), Fold(), FlatBias()]), loaded)


def leave_alone(loaded: LoadedModel, target: Target) -> tuple[ModelProto, int]:
    """As :func:`prepare`, but the network computes as it did up to its logits: it was tuned or quantized elsewhere.

    :returns: the network and its number of classes.
    :raises BadModel: see there.
    """
    return _ending_in_logits(run_passes(loaded.model, [Strip(), Lift(target)]), loaded)


def _ending_in_logits(model: ModelProto, loaded: LoadedModel) -> tuple[ModelProto, int]:
    head = find_head(model)
    logits = cut_to_logits(model, head)
    count = loaded.batch or _TRIED
    noise = np.random.default_rng(0).random((count, *loaded.input_shape), np.float32)
    values = run_session(open_session(logits.SerializeToString()), noise, loaded.batch)
    if values.shape != (count, head.classes):
        raise BadModel(f"the network returns {list(values.shape)} for a batch of {count}, not [batch, {head.classes}]")
    if values.min() >= 0 and np.abs(values.sum(axis=-1) - 1).max() < _SUM and np.isfinite(values).all():
        raise BadModel(
            "its answers are a posterior already, but not from a softmax that could be taken off",
            fix="Export the network up to its logits",
        )
    return logits, head.classes


def keep_in_float(model: ModelProto, classes: int, inputs: Array, batch: int | None) -> Network:
    """The network as it is; its step is what int8 logits over ``inputs`` would have."""
    run = answerer(model.SerializeToString(), batch)
    logits = run(inputs)
    return Network(model, run, classes, step=_step(min(0.0, float(logits.min())), max(0.0, float(logits.max()))))


def answerer(model: bytes, batch: int | None) -> Callable[[Array], Array]:
    """A function that runs a serialised model: inputs ``[n, *input_shape]`` to its output.

    :raises BadModel: ONNX Runtime refuses it.
    """
    session = open_session(model)
    return lambda inputs: run_session(session, inputs, batch)


def quantize(
    request: ExportRequest,
    choice: QuantizationChoice,
    model: ModelProto,
    classes: int,
    data: DataSet,
    batch: int | None,
    reporter: Reporter,
) -> Network:
    """The network in int8, with everything its guards measured.

    :raises GuardFailed: graph optimizations change its answers.
    """
    tensors = quantizable_tensors(model, choice.keep_float)
    # The logits' range gives the step that goldens are measured in, whether or not they are quantized.
    observed = tensors if LOGITS in tensors else (*tensors, LOGITS)
    table = obtain_table(request, model, observed, data, batch, reporter)
    reporter.step(f"quantizing for {request.target.name}")
    quantized = run_passes(
        model, [Quantize(request.target, table.ranges, keep_float=choice.keep_float, head=choice.head)]
    )
    step = _step(table.ranges[LOGITS].low, table.ranges[LOGITS].high)
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
        kept_float=choice.keep_float,
        integer_mac_share=share,
        optimizer_max_steps=difference,
        float_bytes=model.ByteSize(),
        int8_bytes=quantized.ByteSize(),
    )
    return Network(
        quantized,
        answerer(quantized.SerializeToString(), batch),
        classes,
        step,
        facts,
        _calibration_facts(table, data),
        table,
    )


def sample(data: DataSet, count: int) -> Array:
    """The first ``count`` inputs of a set."""
    blocks = [batch.inputs for batch in islice(data.batches(min(count, 32)), -(-count // 32))]
    return np.concatenate(blocks)[:count]


def _calibration_facts(table: CalibrationTable, data: DataSet) -> CalibrationFacts:
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


def _step(low: float, high: float) -> float:
    return max((high - low) / _LEVELS, float(np.finfo(np.float32).tiny))
