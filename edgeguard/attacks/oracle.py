"""The victim as a thief meets it: answers for queries, each counted, until the budget is spent."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.black_box import BlackBox
from edgeguard.errors import BadData, UsageError

__all__ = ["BudgetSpent", "Oracle"]

Array = np.ndarray[Any, Any]

# Queries that the victim answers at once.
_BLOCK = 256


class BudgetSpent(UsageError):
    """An attack asked for more answers than its budget allows. None of what was asked last was answered."""


class Oracle:
    """Counts every image as one query, the same image asked twice as two, and remembers no answer.

    :param victim: answers with posteriors, or with what a defense makes of them.
    :param budget: how many queries it answers; ``None`` for as many as one likes.
    """

    def __init__(self, victim: BlackBox, budget: int | None = None) -> None:
        self._victim = victim
        self._budget = budget
        self._asked = 0

    @property
    def asked(self) -> int:
        """Queries answered so far."""
        return self._asked

    @property
    def left(self) -> int | None:
        """Queries that may still be asked; ``None`` without a budget."""
        return None if self._budget is None else self._budget - self._asked

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one input, without the batch axis."""
        return self._victim.input_shape

    def ask(self, inputs: Array) -> Array:
        """Answers, float32 ``[n, classes]``.

        :param inputs: finished inputs, float32 ``[n, *input_shape]``.
        :raises BudgetSpent: there are more of them than queries left.
        :raises BadData: they have another shape, or the victim answers with something that is no row of numbers.
        """
        if inputs.shape[1:] != self.input_shape:
            raise BadData(
                f"queries have the shape {list(inputs.shape[1:])}, the victim takes {list(self.input_shape)}",
                where=self._victim.name,
            )
        if self.left is not None and len(inputs) > self.left:
            raise BudgetSpent(f"{len(inputs)} more queries were asked, and {self.left} are left of {self._budget}")
        finished = np.ascontiguousarray(inputs, np.float32)
        blocks = [self._victim.ask(finished[start : start + _BLOCK]) for start in range(0, len(finished), _BLOCK)]
        self._asked += len(inputs)
        answers = np.concatenate(blocks).astype(np.float32) if blocks else np.empty((0, 0), np.float32)
        if answers.ndim != 2:
            raise BadData(f"answers with an array {list(answers.shape)}, not one row a query", where=self._victim.name)
        return answers
