"""From a loaded network to one that ends in logits, which everything later starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeGuard, TypeVar

import numpy as np
from onnx import ModelProto

from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.errors import BadModel, GuardFailed
from edgeguard.export.found_head import FoundHead
from edgeguard.export.graph import Graph, Runner
from edgeguard.export.head import cut_to_logits, find_head
from edgeguard.export.loading import Loaded, LoadedModel, LoadedTflite
from edgeguard.export.onnx_graph import OnnxGraph
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.flat_bias import FlatBias
from edgeguard.export.passes.fold import Fold
from edgeguard.export.passes.named import Named
from edgeguard.export.passes.opset import Lift, Opset
from edgeguard.export.passes.strip import Strip
from edgeguard.runtimes.ort_session import open_session, run_session
from edgeguard.targets import Target

__all__ = ["Prepare", "Prepared", "is_onnx", "leave_alone", "prepare"]

Array = np.ndarray[Any, Any]
G = TypeVar("G", bound=Graph, covariant=True)

# Inputs that a network is tried on, and how far from 1 its answers' sums are those of logits, not of a posterior.
_TRIED = 4
_SUM = 1e-3
# Folding reorders float additions; anything beyond this, relative to the largest value, is another function.
_UNCHANGED = 1e-3


@dataclass(frozen=True, slots=True)
class Prepared(Generic[G]):
    """A network that ends in logits.

    :param found: what it ended in when it came, for a person.
    :param logits: runs it: inputs ``[n, *input_shape]`` to float logits ``[n, classes]``.
    """

    found: str
    graph: G
    logits: Runner
    classes: int


Prepare = Callable[[Loaded, Target], Prepared[Graph]]


def prepare(loaded: Loaded, target: Target) -> Prepared[OnnxGraph]:
    """The float network stripped, in the target's operator set, folded, its nodes named, and answering as it did.

    :raises BadModel: it has no classification head, or does not run.
    :raises GuardFailed: a pass changed its answers.
    """
    if isinstance(loaded, LoadedTflite):
        raise BadModel("a TFLite model is not rewritten", fix="To defend it as it is, use edgeguard defend")
    find_head(loaded.model)
    noise = _noise(loaded)
    model = run_passes(loaded.model, [Strip(), Opset(target), Fold(), FlatBias(), Named()])
    prepared, values = _ending_in_logits(model, loaded, noise)
    _check_unchanged(loaded, noise, values)
    return prepared


def leave_alone(loaded: Loaded, target: Target) -> Prepared[Graph]:
    """The network computing as it did up to its logits: it was tuned or quantized elsewhere.

    :raises BadModel: it has no classification head, or does not run.
    """
    if isinstance(loaded, LoadedTflite):
        return _tflite_ending_in_logits(loaded)
    find_head(loaded.model)
    return _ending_in_logits(run_passes(loaded.model, [Strip(), Lift(target)]), loaded, _noise(loaded))[0]


def is_onnx(prepared: Prepared[Graph]) -> TypeGuard[Prepared[OnnxGraph]]:
    """Whether it is an ONNX network, which may be rewritten."""
    return isinstance(prepared.graph, OnnxGraph)


def _noise(loaded: Loaded) -> Array:
    return np.random.default_rng(0).random((loaded.batch or _TRIED, *loaded.input_shape), np.float32)


def _ending_in_logits(model: ModelProto, loaded: LoadedModel, noise: Array) -> tuple[Prepared[OnnxGraph], Array]:
    """The network, and its logits for ``noise``."""
    head = find_head(model)
    logits = OnnxGraph(cut_to_logits(model, head))
    run = logits.runner(loaded.batch)
    values = run(noise)
    _check_logits(values, len(noise), head)
    return Prepared(str(head), logits, run, head.classes), values


def _tflite_ending_in_logits(loaded: LoadedTflite) -> Prepared[Graph]:
    from edgeguard.export.tflite.graph import TfliteGraph
    from edgeguard.export.tflite.head import cut_tflite, find_tflite_head

    head = find_tflite_head(loaded.data)
    graph = TfliteGraph(cut_tflite(loaded.data, head))
    run, noise = graph.runner(loaded.batch), _noise(loaded)
    _check_logits(run(noise), len(noise), head)
    return Prepared(str(head), graph, run, head.classes)


def _check_logits(values: Array, count: int, head: FoundHead[Any]) -> None:
    if values.shape != (count, head.classes):
        raise BadModel(f"the network returns {list(values.shape)} for a batch of {count}, not [batch, {head.classes}]")
    if values.min() >= 0 and np.abs(values.sum(axis=-1) - 1).max() < _SUM:
        raise BadModel(
            "its answers are a posterior already, but not from a softmax that could be taken off",
            fix="Export the network up to its logits",
        )


def _check_unchanged(loaded: LoadedModel, noise: Array, logits: Array) -> None:
    """Converting and folding leave the answers as they were (onnxruntime#11576, #24711).

    :raises GuardFailed: they do not.
    """
    before = run_session(open_session(loaded.model.SerializeToString(), optimize=False), noise, loaded.batch)
    if not np.isfinite(before).all():
        return  # refused as such once real inputs say the same
    before = before.reshape(logits.shape)
    kind = find_head(loaded.model).kind
    after = logits if kind == "logits" else NumpyOps().softmax(logits)
    before = np.exp(before) if kind == "log-posterior" else before
    difference = float(np.abs(before - after).max())
    if not difference <= _UNCHANGED * max(1.0, float(np.abs(before).max())):
        raise GuardFailed(
            f"preparing the network changed its answers by up to {difference:.3g} (onnxruntime#11576)",
            fix="Export it with opset_version=20 or older, and please report it",
        )
