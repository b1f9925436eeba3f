"""What an export measured: the artifact beside the float network and beside itself without the defense."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgeguard.calibration.accuracy import CalibrationError
from edgeguard.calibration.data_set import DataSet, checked_batches
from edgeguard.contract import check_contract, check_finite
from edgeguard.defenses.defense import Defense
from edgeguard.manifest import Measured

__all__ = ["Answerers", "measure"]

Array = np.ndarray[Any, Any]
Answerer = Callable[[Array], Array]

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Answerers:
    """Three ways to answer the same inputs, each float32 ``[n, classes]`` posteriors.

    :param float_model: the network as it was loaded; ``None`` if that is what is deployed.
    :param undefended: as deployed, without the defense.
    :param deployed: as deployed; the same function as ``undefended`` where there is no defense.
    """

    float_model: Answerer | None
    undefended: Answerer
    deployed: Answerer


def measure(
    answerers: Answerers,
    data: DataSet,
    on: Literal["validation", "calibration"],
    *,
    classes: int,
    defense: Defense | None,
) -> Measured:
    """Agreement, accuracy, flips, distortion and calibration error over a set, in one pass.

    :param defense: that of the deployed network.
    :raises BadData: a label of the set is no class of the network.
    :raises GuardFailed: an answer breaks the contract of every defense.
    """
    images = agreed = flips = 0
    right = np.zeros(3, np.int64)
    l1_sum = l1_max = 0.0
    errors = CalibrationError(), CalibrationError()
    for batch in checked_batches(data, _BATCH, classes):
        plain = answerers.undefended(batch.inputs)
        # A table of answers has a row even for a network that answers with NaN.
        check_finite(plain)
        exact = plain if answerers.float_model is None else answerers.float_model(batch.inputs)
        answers = plain if answerers.deployed is answerers.undefended else answerers.deployed(batch.inputs)
        check_contract(answers, plain, keeps_argmax=defense is None or defense.keeps_argmax)
        top = np.stack([values.argmax(axis=-1) for values in (exact, plain, answers)])
        distance = np.abs(answers - plain).sum(axis=-1, dtype=np.float64)
        images += len(batch.inputs)
        agreed += int((top[0] == top[2]).sum())
        flips += int((top[1] != top[2]).sum())
        l1_sum += float(distance.sum())
        l1_max = max(l1_max, float(distance.max()))
        if batch.labels is not None:
            right += (top == batch.labels).sum(axis=-1)
            for error, values in zip(errors, (answers, plain), strict=True):
                error.add(values, batch.labels)
    accuracy = [float(count) / images if data.labelled else None for count in right]
    ece, ece_undefended = (error.value if data.labelled else None for error in errors)
    distinct = None if defense is None else defense.distinct_answers(classes)
    defended = defense is not None
    return Measured(
        on=on,
        images=images,
        agreement=agreed / images,
        accuracy_float=accuracy[0],
        accuracy_undefended=accuracy[1],
        accuracy=accuracy[2],
        flips=flips / images if defended else None,
        l1_mean=l1_sum / images if defended else None,
        l1_max=l1_max if defended else None,
        ece=ece,
        ece_undefended=ece_undefended,
        distinct_answers=distinct,
        bits_per_query=None if distinct is None else math.log2(distinct),
    )
