"""The defenses there are. A new one is one file beside this one and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np

from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.label import Label
from edgeguard.defenses.ops import Ops
from edgeguard.defenses.reverse_sigmoid import ReverseSigmoid
from edgeguard.errors import UsageError

__all__ = ["DEFAULT_DEFENSE", "DEFENSES", "Defense", "configure", "parameters", "rebuild"]

T = TypeVar("T")
Parameter = float | int | str


class Defense(Protocol):
    """A map from posteriors to answers, as a frozen dataclass whose fields are its parameters.

    The contract, checked at export and by property tests: answers are finite, non-negative, sum to 1, depend on nothing
    but the posterior, and keep the argmax if ``keeps_argmax``.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    keeps_argmax: ClassVar[bool]
    summary: ClassVar[str]

    @classmethod
    def for_classes(cls, classes: int) -> Self:
        """The default parameters for a number of classes."""

    def respond(self, ops: Ops[T], posterior: T) -> T:
        """The answer to a posterior, both ``[batch, classes]``."""

    def margin(self, posterior: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """How far every logit may move, at most, before a decision of the defense changes.

        :param posterior: float64 ``[batch, classes]``.
        :returns: ``[batch]``, in logits; infinity where there is nothing to decide.
        """


DEFENSES: dict[str, type[Defense]] = {defense.name: defense for defense in (Dcp, Label, ReverseSigmoid)}
DEFAULT_DEFENSE = Dcp.name


def configure(name: str, overrides: Mapping[str, str], classes: int) -> Defense:
    """A defense from what stands on a command line.

    :param overrides: parameter name to its text, for example ``{"beta": "1.2"}``.
    :raises UsageError: there is no such defense or parameter, or a value does not parse.
    """
    kind = _find(name)
    values = parameters(kind.for_classes(classes))
    for key, text in overrides.items():
        if key not in values:
            raise UsageError(
                f"{name} has no parameter {key!r}", where="--defense-param", fix=f"It has: {', '.join(values)}"
            )
        wanted = type(values[key])
        try:
            values[key] = wanted(text)
        except ValueError:
            raise UsageError(f"{key} must be {wanted.__name__}, not {text!r}", where="--defense-param") from None
    return kind(**values)


def rebuild(name: str, version: int, values: Mapping[str, Parameter]) -> Defense:
    """The defense that a manifest records.

    :raises UsageError: this edgeguard does not know it, or not in this version or with these parameters.
    """
    kind = _find(name)
    if version != kind.version:
        raise UsageError(
            f"the artifact uses version {version} of {name}, this edgeguard has {kind.version}",
            fix="Install the edgeguard that exported it, or export again",
        )
    known = {entry.name: entry.type for entry in fields(kind)}  # type: ignore[arg-type]
    surplus_or_missing = sorted(set(values) ^ set(known))
    if surplus_or_missing:
        raise UsageError(
            f"the artifact's {name} has other parameters than this edgeguard's: {', '.join(surplus_or_missing)}",
            fix="Install the edgeguard that exported it, or export again",
        )
    for key, value in values.items():
        if isinstance(value, str) != (known[key] in (str, "str")):
            raise UsageError(f"the artifact's {name} has {key} = {value!r}", fix="Export again")
    return kind(**values)


def parameters(defense: Defense) -> dict[str, Parameter]:
    """The parameters of a defense, by name."""
    return asdict(defense)  # type: ignore[call-overload, no-any-return]


def _find(name: str) -> type[Defense]:
    try:
        return DEFENSES[name]
    except KeyError:
        raise UsageError(f"there is no defense {name!r}", fix=f"Choose one of: {', '.join(DEFENSES)}") from None
