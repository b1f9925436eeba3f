"""A defense: a response, perhaps behind a gate, ready to answer what a network ends in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from edgeguard.defenses.decision import columns_for, row_of
from edgeguard.defenses.gate import Gate
from edgeguard.defenses.head import Grid, Head, Query, posterior
from edgeguard.defenses.margin import gate_margin, level_margin
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.ops import Ops
from edgeguard.defenses.response import PosteriorResponse, Response, TableResponse, is_table
from edgeguard.errors import UsageError

__all__ = ["Answering", "Defense"]

T = TypeVar("T")
Array = np.ndarray[Any, Any]
# From a query to its answer, on any backend.
Answering = Callable[[Query[Any]], Any]

# Up to here the whole table of answers is smaller than the operators that would put a row together.
_LARGEST_TABLE = 1 << 16


@dataclass(frozen=True)
class Defense:
    """A map from logits to answers.

    :param gate: ``None`` answers every query by the response alone.
    :param grid: the steps that decisions on float logits are made in; ``None`` if the defense makes none.
    """

    response: Response
    gate: Gate | None = None
    grid: Grid | None = None

    @property
    def keeps_argmax(self) -> bool:
        """Whether the argmax of every answer is the network's."""
        return self.gate is None and self.response.keeps_argmax

    def answer(self, ops: Ops[T], head: Head, value: T) -> T:
        """The answer, float ``[batch, classes]``, from the network's last tensor."""
        answer: T = self.behind(head)(Query(ops, head, value, self.grid))
        return answer

    def behind(self, head: Head, *, by_product: bool = True) -> Answering:
        """The defense made ready for one head: its tables are built once, not for every query.

        :param by_product: whether decisions on integers may be one matrix product; see
            :mod:`edgeguard.defenses.decision`.
        :raises UsageError: it was never fitted, or for another number of classes.
        """
        if self.gate is not None and len(self.gate.draws) != head.classes:
            raise UsageError(
                f"the gate was fitted for {len(self.gate.draws)} classes, this network has {head.classes}",
                fix="Tune it again",
            )
        if is_table(self.response):
            return self._by_table(self.response, head, by_product)
        return self._by_posterior(cast(PosteriorResponse, self.response))

    def margin(self, logits: Array) -> Array:
        """How far every logit may move, at most, before a decision of the defense changes.

        :param logits: float64 ``[n, classes]``.
        :returns: ``[n]``, in logits; infinity where there is nothing to decide.
        """
        margins = [] if self.gate is None else [gate_margin(self.gate, self.grid, logits)]
        if is_table(self.response):
            margins.append(level_margin(self.response.table_levels(), self.grid, logits))
        else:
            plain = posterior(NumpyOps(np.float64), Head("logits", logits.shape[-1]), logits)
            margins.append(cast(PosteriorResponse, self.response).margin(plain))
        smallest: Array = np.minimum.reduce(margins)
        return smallest

    def distinct_answers(self, classes: int) -> int | None:
        """How many different answers there can be; ``None`` if only the float type limits them."""
        if not is_table(self.response):
            return None
        return len(np.unique(np.concatenate(self.response.table_rows(classes).entries, axis=1), axis=0))

    def _by_table(self, response: TableResponse, head: Head, by_product: bool) -> Answering:
        levels, rows = response.table_levels(), response.table_rows(head.classes)
        if self.gate is not None and self.gate.table.max() >= len(levels) * head.classes:
            raise UsageError("the gate answers with rows that the response does not have", fix="Export again")
        columns = columns_for(head, levels, self.gate, rows) if by_product else None
        if columns is not None:
            return columns.answer
        if rows.units and self.gate is None:
            return lambda query: query.one_hot
        if len(levels) * head.classes**2 <= _LARGEST_TABLE:
            matrix = rows.matrix
            return lambda query: query.ops.take(matrix, row_of(query, levels, self.gate))
        rest, indices, values = rows.entries

        def assembled(query: Query[Any]) -> Any:
            ops, row = query.ops, row_of(query, levels, self.gate)
            return ops.place(ops.take(rest, row), ops.take(indices, row), ops.take(values, row), head.classes)

        return assembled

    def _by_posterior(self, response: PosteriorResponse) -> Answering:
        gate = self.gate
        if gate is None:
            return response.respond
        wrong = gate.table % len(gate.draws)

        def gated(query: Query[Any]) -> Any:
            ops = query.ops
            shown = ops.where(gate.closes(query), gate.drawn(query, wrong), query.top)
            return ops.swap(response.respond(query), query.top, shown)

        return gated
