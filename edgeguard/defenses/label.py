"""Label only: the answer is one-hot at the most likely class.

The floor of every defense that keeps the argmax: an attacker can always take the argmax of an answer, so none of them
can leave less to learn than this one does. Of equal entries the first one counts, as for ``argmax``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from edgeguard.defenses.ops import Ops

__all__ = ["Label"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Label:
    """It has no parameters."""

    name: ClassVar[str] = "label"
    version: ClassVar[int] = 1
    keeps_argmax: ClassVar[bool] = True
    summary: ClassVar[str] = "one-hot answers: the floor for every defense that keeps the argmax"

    @classmethod
    def for_classes(cls, classes: int) -> Self:  # noqa: ARG003  (the same for any number)
        """The only instance there can be."""
        return cls()

    def respond(self, ops: Ops[T], posterior: T) -> T:
        """The answer, ``[batch, classes]``."""
        return ops.one_hot_top(posterior)

    def margin(self, posterior: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Infinite: its only decision is the argmax, which has a margin of its own."""
        return np.full(posterior.shape[:-1], np.inf)
