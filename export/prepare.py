"""From a loaded network to one that ends in logits, which everything later starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.errors import BadModel, GuardFailed
from edgeguard.export.found_head import FoundHead
from edgeguard.export.head import cut_to_logits, find_head
from edgeguard.export.loading import LoadedModel
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.flat_bias import FlatBias
from edgeguard.export.passes.fold import Fold
from edgeguard.export.passes.opset import Lift, Opset
from edgeguard.export.passes.strip import Strip
from edgeguard.runtimes.ort_session import answerer, open_session, run_session
from edgeguard.targets import Target

__all__ = ["Prepare", "Prepared", "leave_alone", "prepare"]

Array = np.ndarray[Any, Any]

# Inputs that a network is tried on, and how far from 1 its answers' sums are those of logits, not of a posterior.
_TRIED = 4
_SUM = 1e-3
# Folding reorders float additions; anything beyond this, relative to the largest value, is another function.
_UNCHANGED = 1e-3


@dataclass(frozen=True, slots=True)
class Prepared:
    """A network that ends in logits.

    :param logits: runs it: inputs ``[n, *input_shape]`` to float logits ``[n, classes]``.
    """

    model: ModelProto
    logits: Callable[[Array], Array]
    classes: int


Prepare = Callable[[LoadedModel, Target], Prepared]


def prepare(loaded: LoadedModel, target: Target) -> Prepared:
    """The float network stripped, in the target's operator set, folded, and answering as it did.

    :raises BadModel: it has no classification head, or does not run.
    :raises GuardFailed: a pass changed its answers.
    """
    noise = _noise(loaded)
    model = run_passes(loaded.model, [Strip(), Opset(target), Fold(), FlatBias()])
    prepared, values = _ending_in_logits(model, loaded, noise)
    _check_unchanged(loaded, noise, values)
    return prepared


def leave_alone(loaded: LoadedModel, target: Target) -> Prepared:
    """The network computing as it did up to its logits: it was tuned or quantized elsewhere.

    :raises BadModel: it has no classification head, or does not run.
    """
    return _ending_in_logits(run_passes(loaded.model, [Strip(), Lift(target)]), loaded, _noise(loaded))[0]


def _noise(loaded: LoadedModel) -> Array:
    return np.random.default_rng(0).random((loaded.batch or _TRIED, *loaded.input_shape), np.float32)


def _ending_in_logits(model: ModelProto, loaded: LoadedModel, noise: Array) -> tuple[Prepared, Array]:
    """The network, and its logits for ``noise``."""
    head = find_head(model)
    logits = cut_to_logits(model, head)
    run = answerer(logits.SerializeToString(), loaded.batch)
    values = run(noise)
    _check_logits(values, len(noise), head)
    return Prepared(logits, run, head.classes), values


def _check_logits(values: Array, count: int, head: FoundHead[str]) -> None:
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
