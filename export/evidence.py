"""What a network says to the images that a defense is tuned on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgeguard.calibration.data_set import DataSet, checked_batches
from edgeguard.calibration.tuning import Evidence
from edgeguard.contract import check_finite
from edgeguard.export.request import Reporter
from edgeguard.preprocess import Layout

__all__ = ["gather", "stand_ins"]

Array = np.ndarray[Any, Any]
Logits = Callable[[Array], Array]

_BATCH = 64
# More queries than this do not make the distribution of honest answers any clearer.
_MOST_REFERENCE = 30_000
# Axes of a batch of pictures, and among them height and width.
_PICTURES = 4
_SIDES: dict[Layout, tuple[int, int]] = {"nchw": (2, 3), "nhwc": (1, 2)}


def gather(
    logits: Logits,
    float_logits: Logits | None,
    data: DataSet,
    queries: DataSet | None,
    classes: int,
    reporter: Reporter,
    *,
    layout: Layout,
    reference: bool,
) -> Evidence:
    """Run the network over a set, and over a reference for a gate.

    :param logits: the undefended network as it will be deployed.
    :param float_logits: the float network; ``None`` if there is none to compare with.
    :param queries: images such as a thief may ask; ``None`` makes some from ``data``.
    :param layout: of inputs that are pictures.
    :param reference: whether a reference is needed.
    :raises BadData: a label of the set is no class of the network.
    :raises GuardFailed: a logit is no number.
    """
    seen, tops, labels = [], [], []
    for batch in checked_batches(data, _BATCH, classes):
        seen.append(logits(batch.inputs))
        check_finite(seen[-1])
        if batch.labels is not None:
            labels.append(batch.labels)
        elif float_logits is not None:
            tops.append(float_logits(batch.inputs).argmax(axis=-1))
        reporter.progress(sum(map(len, seen)), len(data))
    return Evidence(
        np.concatenate(seen),
        np.concatenate(labels) if labels else None,
        np.concatenate(tops) if tops else None,
        np.concatenate([logits(inputs) for inputs in _reference(data, queries, layout)]) if reference else None,
        "stand-ins" if queries is None else "queries",
    )


def _reference(data: DataSet, queries: DataSet | None, layout: Layout) -> Iterator[Array]:
    given = 0
    for batch in (data if queries is None else queries).batches(_BATCH):
        yield batch.inputs if queries is not None else stand_ins(batch.inputs, layout)
        given += len(batch.inputs)
        if given >= _MOST_REFERENCE:
            return


def stand_ins(inputs: Array, layout: Layout = "nchw") -> Array:
    """Inputs that are none of the network's classes, in place of a thief's queries: two for each input.

    Pictures laid on their side (mirrored along the diagonal; upside down where they are not square) and negatives: of
    all that was tried, networks answer them most nearly as they answer natural pictures of other classes, nearer than
    means of two or three images (``benchmarks/results/defense_quality.md``). What is no picture is mixed by twos.
    """
    negatives = 2 * inputs.mean(axis=0, keepdims=True) - inputs
    if inputs.ndim != _PICTURES:
        others = (inputs + np.roll(inputs, 1, axis=0)) / 2
    else:
        down, right = _SIDES[layout]
        square = inputs.shape[down] == inputs.shape[right]
        others = inputs.swapaxes(down, right) if square else np.flip(inputs, down)
    return np.concatenate([others, negatives]).astype(np.float32)
