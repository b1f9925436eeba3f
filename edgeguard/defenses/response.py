"""The two kinds of responses: which answers a defense gives."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self, TypeGuard, TypeVar

import numpy as np

from edgeguard.defenses.head import Query
from edgeguard.defenses.rows import Levels, Rows
from edgeguard.keys import MasterKey

__all__ = ["BoundedResponse", "KeyedResponse", "PosteriorResponse", "Response", "TableResponse", "is_table"]

T = TypeVar("T")


class Response(Protocol):
    """What all responses have: a frozen dataclass whose fields are its parameters, and tuples of what was fitted.

    The contract, checked at export and by property tests: answers are finite, non-negative, sum to 1, depend on nothing
    but the logits, and keep the argmax if ``keeps_argmax``.

    :cvar tuned: the parameter that a budget tunes and the range it looks in, larger meaning more perturbation;
        ``None`` if the response keeps the argmax, so that only a gate costs anything.
    :cvar keyed: whether it draws from the owner's key.
    :cvar operators: how many graph operators it has for ten classes, on the head it is used with by default.
    :cvar attack: the attack that breaks it.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    keeps_argmax: ClassVar[bool]
    tuned: ClassVar[tuple[str, float, float] | None]
    keyed: ClassVar[bool]
    operators: ClassVar[int]
    summary: ClassVar[str]
    attack: ClassVar[str]

    @classmethod
    def for_classes(cls, classes: int) -> Self:
        """The default parameters for a number of classes."""


class PosteriorResponse(Response, Protocol):
    """Computes its answer from the posterior."""

    def respond(self, query: Query[T]) -> T:
        """The answer, float ``[batch, classes]``."""

    def margin(self, posterior: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """How far every logit may move, at most, before a decision of the response changes.

        :param posterior: float64 ``[batch, classes]``.
        :returns: ``[batch]``, in logits; infinity where there is nothing to decide.
        """


class TableResponse(Response, Protocol):
    """Answers with a row of a table, indexed by the most likely class and a level of confidence."""

    def table_levels(self) -> Levels:
        """The levels, from the largest logit.

        :raises UsageError: they were never fitted.
        """

    def table_rows(self, classes: int) -> Rows:
        """The rows."""


class KeyedResponse(Response, Protocol):
    """Has tables that the owner's key decides."""

    def drawn(self, key: MasterKey, classes: int) -> Self:
        """The response with these tables filled."""


class BoundedResponse(Response, Protocol):
    """Has parameters that not every number of classes allows."""

    def check(self, classes: int) -> None:
        """Refuse a number of classes.

        :raises UsageError: naming the parameter.
        """


def is_table(response: Response | type[Response]) -> TypeGuard[TableResponse]:
    """Whether a response answers with a row of a table; the others compute from the posterior."""
    return hasattr(response, "table_rows")
