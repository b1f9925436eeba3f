"""Codebook: the answer is a row of a small table, chosen by the most likely class and a level of confidence.

With m the largest logit, l(m) its level, c_l the share of validation images of level l that were answered rightly, and
K classes::

    out_j = c_l            if j = argmax p
            (1 - c_l)/(K-1) else

Many-to-one and deterministic: repeating or averaging queries gains nothing, and a query tells at most log2(levels x K)
bits. With labels the confidence is a measured accuracy, so that the answers are better calibrated than the network
(histogram binning: Zadrozny and Elkan, ICML 2001). Own design; see ``decoy`` for the variant that can be traced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgeguard.defenses.rows import Levels, Rows, least_confidence
from edgeguard.errors import UsageError

__all__ = ["MOST_LEVELS", "Codebook", "check_levels", "confidences_of"]

MOST_LEVELS = 16


def check_levels(levels: int) -> None:
    """Refuse a number of levels that a table cannot have.

    :raises UsageError: saying which it can.
    """
    if not 1 <= levels <= MOST_LEVELS:
        raise UsageError(f"levels must lie in 1..{MOST_LEVELS}, not {levels}", where="--defense-param")


def confidences_of(levels: Levels, classes: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The largest entries of the rows: the levels' confidences, but never so low that another class comes near."""
    return np.maximum(np.array(levels.confidences, np.float64), least_confidence(classes))


@dataclass(frozen=True, slots=True)
class Codebook:
    """Parameters of the codebook, and what was fitted.

    :param levels: how many levels of confidence are wanted; fewer are kept where validation images are few.
    :param starts: fitted, see :class:`edgeguard.defenses.rows.Levels`.
    :param confidences: fitted.
    """

    levels: int = 4
    starts: tuple[int, ...] = ()
    confidences: tuple[float, ...] = ()

    name: ClassVar[str] = "codebook"
    version: ClassVar[int] = 1
    keeps_argmax: ClassVar[bool] = True
    tuned: ClassVar[tuple[str, float, float] | None] = None
    keyed: ClassVar[bool] = False
    operators: ClassVar[int] = 4
    summary: ClassVar[str] = "rows of a small table by class and level: calibrated, a few bits a query"
    attack: ClassVar[str] = "training on the labels: the argmax is true"

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges.

        :raises UsageError: naming the parameter.
        """
        check_levels(self.levels)

    @classmethod
    def for_classes(cls, classes: int) -> Self:  # noqa: ARG003  (the same for any number)
        """The default parameters."""
        return cls()

    def table_levels(self) -> Levels:
        """The fitted levels."""
        return Levels(self.starts, self.confidences)

    def table_rows(self, classes: int) -> Rows:
        """Confidence at the class, the rest spread evenly."""
        return Rows(classes, confidences_of(self.table_levels(), classes), np.zeros(len(self.starts)), None)
