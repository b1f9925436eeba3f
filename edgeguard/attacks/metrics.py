"""What is measured of a theft: what the owner loses, what the answers give away, and what the clone is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.calibration.accuracy import CalibrationError

__all__ = ["Exposure", "Theft", "Utility", "exposure", "theft", "utility"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Utility:
    """What the answers are worth to honest users, on test images.

    :param accuracy: share answered rightly.
    :param undefended: share that the same network answers rightly without the defense.
    :param flips: share whose argmax the defense changes.
    :param l1: mean L1 distance between answers and posteriors.
    :param ece: expected calibration error, 15 bins.
    :param ece_undefended: likewise of the posteriors.
    """

    images: int
    accuracy: float
    undefended: float
    flips: float
    l1: float
    ece: float
    ece_undefended: float

    @property
    def loss(self) -> float:
        """Benign accuracy that the defense costs, in percentage points."""
        return 100 * (self.undefended - self.accuracy)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the answers to the thief's queries give away.

    :param queries: what the transfer set cost.
    :param images: how many different images it has.
    :param flips: share whose argmax the defense changes.
    :param l1: mean L1 distance between answers and posteriors.
    :param l1_read: likewise after the thief's reading (a learned inverse, say), over the images that he kept.
    :param kept: share of the images that his reading kept.
    :param distinct: different answers.
    :param bits: entropy of the answers, in bits a query: no thief learns more from one. With n answers it is at most
        log2(n), so that of answers which never repeat it says no more than that.
    """

    queries: int
    images: int
    flips: float
    l1: float
    l1_read: float
    kept: float
    distinct: int
    bits: float


@dataclass(frozen=True, slots=True)
class Theft:
    """What a clone is worth, on test images.

    :param accuracy: share that it answers rightly.
    :param fidelity: share that it answers as the deployed victim does.
    """

    accuracy: float
    fidelity: float


def utility(answers: Array, posteriors: Array, labels: Array) -> Utility:
    """Of a defense.

    :param answers: of the deployed victim to test images, ``[n, classes]``.
    :param posteriors: of the same network without the defense.
    :param labels: true classes, ``[n]``.
    """
    return Utility(
        images=len(labels),
        accuracy=float((answers.argmax(axis=1) == labels).mean()),
        undefended=float((posteriors.argmax(axis=1) == labels).mean()),
        flips=float((answers.argmax(axis=1) != posteriors.argmax(axis=1)).mean()),
        l1=_l1(answers, posteriors),
        ece=_calibration_error(answers, labels),
        ece_undefended=_calibration_error(posteriors, labels),
    )


def exposure(queries: int, answers: Array, posteriors: Array, read: Array, kept: Array) -> Exposure:
    """Of a transfer set.

    :param answers: ``[n, classes]``.
    :param posteriors: what would have been answered without the defense, which the thief never sees.
    :param read: the thief's targets for the images that he kept, ``[m, classes]``.
    :param kept: which those are, int64 ``[m]``.
    """
    rows, counts = np.unique(answers, axis=0, return_counts=True)
    shares = counts / counts.sum()
    return Exposure(
        queries=queries,
        images=len(answers),
        flips=float((answers.argmax(axis=1) != posteriors.argmax(axis=1)).mean()),
        l1=_l1(answers, posteriors),
        l1_read=_l1(read, posteriors[kept]),
        kept=len(kept) / len(answers),
        distinct=len(rows),
        bits=float(-(shares * np.log2(shares)).sum()),
    )


def theft(logits: Array, answers: Array, labels: Array) -> Theft:
    """Of a clone.

    :param logits: of the clone, ``[n, classes]``.
    :param answers: of the deployed victim to the same images.
    """
    top = logits.argmax(axis=1)
    return Theft(float((top == labels).mean()), float((top == answers.argmax(axis=1)).mean()))


def _l1(answers: Array, posteriors: Array) -> float:
    return float(np.abs(answers.astype(np.float64) - posteriors).sum(axis=1).mean())


def _calibration_error(answers: Array, labels: Array) -> float:
    error = CalibrationError()
    error.add(answers, labels)
    return error.value
