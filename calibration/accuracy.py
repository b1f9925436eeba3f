"""What an artifact's answers are worth on a set: accuracy, agreement with the float network, calibration error.

The companion lab holds the float network and the int8 one without its defense; where it is there, all three answer the
same inputs in one pass, so that what quantization and what the defense cost can be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeguard.artifact import Artifact, lab_float, lab_int8
from edgeguard.calibration.data_set import DataSet, checked_batches
from edgeguard.calibration.running import Progress, report
from edgeguard.contract import check_contract
from edgeguard.errors import UsageError
from edgeguard.runtimes import Runtime
from edgeguard.runtimes.answerers import float_answerer

__all__ = ["BINS", "AccuracyReport", "CalibrationError", "Share", "measure_accuracy", "references"]

Array = np.ndarray[Any, Any]
Answerer = Callable[[Array], Array]

BINS = 15
_BATCH = 32
# 97.5 % quantile of the normal distribution: two-sided 95 %.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """A share of images, with its 95 % interval.

    The interval is Wilson's score interval (Wilson, JASA 22, 1927), which unlike the usual one does not shrink to
    nothing at 0 and 1.

    :param count: images with the property, of ``total``, which is positive.
    """

    count: int
    total: int

    @property
    def value(self) -> float:
        """``count / total``, 0..1."""
        return self.count / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends, 0..1."""
        n, p = self.total, self.value
        middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        reach = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(slots=True)
class CalibrationError:
    """Expected calibration error with 15 equal-width bins (Guo et al., ICML 2017), as a running sum.

    With B_m the answers whose confidence lies in ((m-1)/15, m/15], of n in all:
    ECE = sum_m |B_m| / n * |accuracy(B_m) - mean confidence(B_m)|.
    """

    images: int = 0
    _excess: Array = field(default_factory=lambda: np.zeros(BINS))

    def add(self, answers: Array, labels: Array) -> None:
        """Count answers, float ``[n, classes]``, to inputs whose true classes are ``labels``, ``[n]``."""
        confidence = answers.max(axis=-1).astype(np.float64)
        right = answers.argmax(axis=-1) == labels
        bins = np.clip(np.ceil(confidence * BINS).astype(np.intp) - 1, 0, BINS - 1)
        self._excess += np.bincount(bins, right - confidence, BINS)
        self.images += len(labels)

    @property
    def value(self) -> float:
        """The error so far, 0..1. Within a bin the signed differences add up, so their sum is all that is kept."""
        return float(np.abs(self._excess).sum() / self.images)


@dataclass(frozen=True, slots=True)
class AccuracyReport:
    """What was found. ``None`` where there were no labels, no lab or no defense; ``skipped`` says why.

    :param accuracy: of the artifact's answers; ``_undefended`` of the same network without the defense, ``_float`` of
        the float network. Likewise ``ece``.
    :param agreement: images on which artifact and float network have the same argmax.
    :param flips: images whose argmax the defense changed.
    :param l1_mean: mean L1 distance between defended and undefended posterior, 0..2.
    """

    images: int
    accuracy: Share | None
    accuracy_undefended: Share | None
    accuracy_float: Share | None
    agreement: Share | None
    flips: Share | None
    l1_mean: float | None
    l1_max: float | None
    ece: float | None
    ece_undefended: float | None
    ece_float: float | None
    skipped: tuple[str, ...]


def measure_accuracy(
    artifact: Artifact, runtime: Runtime, data: DataSet, *, progress: Progress | None = None
) -> AccuracyReport:
    """Answer a whole set, in one pass and in constant memory.

    :param runtime: the artifact, loaded.
    :raises BadData: a label is no class of the network, or an input is unusable.
    :raises Untrusted: the lab belongs to another export.
    :raises GuardFailed: an answer is no posterior.
    """
    exact, plain, skipped = references(artifact)
    if not data.labelled:
        skipped = (*skipped, "accuracy and ECE: the set has no labels")
    sums = _Sums()
    classes = runtime.manifest.classes
    for batch in checked_batches(data, _BATCH, classes):
        inputs = batch.inputs
        answers = runtime.answer(inputs)
        check_contract(answers, classes=classes)
        sums.add(
            answers,
            None if plain is None else plain(inputs),
            None if exact is None else exact(inputs),
            batch.labels,
        )
        report(progress, sums.images, len(data))
    return sums.report(skipped, defended=runtime.manifest.defense is not None)


def references(artifact: Artifact) -> tuple[Answerer | None, Answerer | None, tuple[str, ...]]:
    """What the lab has: the float network, the undefended one, and what has to be left out.

    :raises Untrusted: the lab belongs to another export.
    """
    kind, lab = artifact.manifest.model.format, artifact.manifest.lab
    try:
        exact = _answerer(artifact, lab_float(kind)) if lab_float(kind) in lab else None
        # Without an int8 network the undefended one is the float one.
        plain = _answerer(artifact, lab_int8(kind)) if lab_int8(kind) in lab else exact
    except UsageError as error:
        return None, None, (f"agreement with the float network, and the undefended answers: {error.what}",)
    return exact, plain, () if exact is not None else ("agreement with the float network: there is none in the lab",)


def _answerer(artifact: Artifact, name: str) -> Answerer:
    model = artifact.manifest.model
    return float_answerer(artifact.lab_file(name), model.format, model.batch)


class _Sums:
    """Running sums over a set."""

    def __init__(self) -> None:
        self.images = 0
        self._right = np.zeros(3, np.int64)
        self._ece = [CalibrationError() for _ in range(3)]
        self._there = [False] * 3
        self._labelled = False
        self._agreed = self._flips = 0
        self._l1_sum = self._l1_max = 0.0

    def add(self, answers: Array, plain: Array | None, exact: Array | None, labels: Array | None) -> None:
        """Count a batch; posteriors ``[n, classes]`` of the artifact, the undefended and the float network."""
        self.images += len(answers)
        top = answers.argmax(axis=-1)
        for index, values in enumerate((answers, plain, exact)):
            self._there[index] = values is not None
            if values is not None and labels is not None:
                self._labelled = True
                self._right[index] += int((values.argmax(axis=-1) == labels).sum())
                self._ece[index].add(values, labels)
        if exact is not None:
            self._agreed += int((top == exact.argmax(axis=-1)).sum())
        if plain is not None:
            distance = np.abs(answers - plain).sum(axis=-1, dtype=np.float64)
            self._flips += int((top != plain.argmax(axis=-1)).sum())
            self._l1_sum += float(distance.sum())
            self._l1_max = max(self._l1_max, float(distance.max()))

    def report(self, skipped: tuple[str, ...], *, defended: bool) -> AccuracyReport:
        """What the sums say."""
        known = [self._labelled and there for there in self._there]
        accuracy = [
            Share(int(count), self.images) if ok else None for count, ok in zip(self._right, known, strict=True)
        ]
        ece = [error.value if ok else None for error, ok in zip(self._ece, known, strict=True)]
        compared = defended and self._there[1]
        return AccuracyReport(
            images=self.images,
            accuracy=accuracy[0],
            accuracy_undefended=accuracy[1],
            accuracy_float=accuracy[2],
            agreement=Share(self._agreed, self.images) if self._there[2] else None,
            flips=Share(self._flips, self.images) if compared else None,
            l1_mean=self._l1_sum / self.images if compared else None,
            l1_max=self._l1_max if compared else None,
            ece=ece[0],
            ece_undefended=ece[1],
            ece_float=ece[2],
            skipped=skipped,
        )
