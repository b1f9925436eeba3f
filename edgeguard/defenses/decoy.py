"""Decoy: a codebook whose remaining mass goes to wrong classes that a secret key chooses.

With c_l the confidence of level l (as in ``codebook``), a = min(c_l, ceiling) and D_l the key's derangement of that
level (a permutation that moves every class)::

    out_j = a                                              if j = argmax p
            b = strength (1 - a) + (1 - strength)(1 - a)/(K-1)  if j = D_l(argmax p)
            (1 - a - b)/(K-2)                                   else

with b limited to two grid steps below a, so that the argmax is kept. In the mode ``attractor`` one class takes the
place of D_l for all classes (a second one serves the attractor itself): it distorts more and proves nothing, where
decoys that differ by class are learnt by a clone, and ``edgeguard trace`` finds them there. Own design.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from edgeguard.defenses.codebook import check_levels, confidences_of
from edgeguard.defenses.decoys import attractors, derangements
from edgeguard.defenses.rows import GRID_STEP, Levels, Rows, least_confidence
from edgeguard.errors import UsageError
from edgeguard.keys import MasterKey

__all__ = ["MODES", "Decoy"]

MODES = ("derangement", "attractor")


@dataclass(frozen=True, slots=True)
class Decoy:
    """Parameters of the decoy, and what was fitted.

    :param levels: how many levels of confidence are wanted.
    :param strength: share of the remaining mass that goes to the decoy, 0..1; at 0 the decoy is a codebook.
    :param ceiling: the largest confidence that answers show, in (0.5, 1]; below 1 it makes room for the decoy where the
        network is sure of itself, at the price of calibration.
    :param mode: ``derangement`` or ``attractor``.
    :param starts: fitted, see :class:`edgeguard.defenses.rows.Levels`.
    :param confidences: fitted.
    :param decoys: from the key: for each level the decoy of each class.
    """

    levels: int = 4
    strength: float = 1.0
    ceiling: float = 1.0
    mode: str = "derangement"
    starts: tuple[int, ...] = ()
    confidences: tuple[float, ...] = ()
    decoys: tuple[tuple[int, ...], ...] = ()

    name: ClassVar[str] = "decoy"
    version: ClassVar[int] = 1
    keeps_argmax: ClassVar[bool] = True
    tuned: ClassVar[tuple[str, float, float] | None] = None
    keyed: ClassVar[bool] = True
    operators: ClassVar[int] = 4
    summary: ClassVar[str] = "a codebook whose other mass goes to keyed wrong classes: traceable in a clone"
    attack: ClassVar[str] = "training on the labels: the argmax is true, and the decoys are left out"

    def __post_init__(self) -> None:
        """Refuse parameters outside their ranges.

        :raises UsageError: naming the parameter.
        """
        check_levels(self.levels)
        if not 0 <= self.strength <= 1:
            raise UsageError(f"strength must lie in 0..1, not {self.strength:g}", where="--defense-param")
        if not 0.5 < self.ceiling <= 1:
            raise UsageError(f"ceiling must lie in (0.5, 1], not {self.ceiling:g}", where="--defense-param")
        if self.mode not in MODES:
            raise UsageError(f"mode must be {' or '.join(MODES)}, not {self.mode!r}", where="--defense-param")

    @classmethod
    def for_classes(cls, classes: int) -> Self:  # noqa: ARG003  (the same for any number)
        """The default parameters."""
        return cls()

    def drawn(self, key: MasterKey, classes: int) -> Self:
        """With the decoys that a key gives; those of the second attractor serve the first, which cannot be its own."""
        if self.mode == "derangement":
            table = derangements(key, classes, self.levels)
        else:
            first, second = attractors(key, classes)
            table = np.full((self.levels, classes), first)
            table[:, first] = second
        return replace(self, decoys=tuple(tuple(row) for row in table.tolist()))

    def table_levels(self) -> Levels:
        """The fitted levels."""
        return Levels(self.starts, self.confidences)

    def table_rows(self, classes: int) -> Rows:
        """Confidence at the class, the decoy's share at the decoy, the rest spread evenly."""
        levels = self.table_levels()
        decoys = np.array(self.decoys, np.int64)
        if decoys.shape != (len(levels), classes):
            raise UsageError("the decoys were never drawn", fix="Pass --key")
        top = np.maximum(np.minimum(confidences_of(levels, classes), self.ceiling), least_confidence(classes))
        others = 1 - top
        second = np.minimum(self.strength * others + (1 - self.strength) * others / (classes - 1), top - 2 * GRID_STEP)
        return Rows(classes, top, second, decoys)
