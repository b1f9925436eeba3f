"""Label only: the answer is one-hot at the most likely class::

    out_j = 1 if j = argmax p, else 0

The floor of every defense that keeps the argmax: an attacker can always take the argmax of an answer, so none of them
can leave less to learn than this one does. Of equal entries the first one counts, as for ``argmax``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgeguard.defenses.rows import ONE_LEVEL, Levels, Rows

__all__ = ["Label"]


@dataclass(frozen=True, slots=True)
class Label:
    """It has no parameters: a table of one level."""

    name: ClassVar[str] = "label"
    version: ClassVar[int] = 1
    keeps_argmax: ClassVar[bool] = True
    tuned: ClassVar[tuple[str, float, float] | None] = None
    keyed: ClassVar[bool] = False
    operators: ClassVar[int] = 2
    summary: ClassVar[str] = "one-hot answers: the floor for every defense that keeps the argmax"
    attack: ClassVar[str] = "training on the labels alone: with enough queries it needs no more"

    @classmethod
    def for_classes(cls, classes: int) -> Self:  # noqa: ARG003  (the same for any number)
        """The only instance there can be."""
        return cls()

    def table_levels(self) -> Levels:
        """One for all."""
        return ONE_LEVEL

    def table_rows(self, classes: int) -> Rows:
        """The unit vectors."""
        return Rows(classes, np.ones(1), np.zeros(1), None)
