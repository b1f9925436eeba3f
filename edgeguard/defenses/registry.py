"""The responses there are. A new one is one file beside this one and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, cast

from edgeguard.defenses.codebook import Codebook
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.decoy import Decoy
from edgeguard.defenses.label import Label
from edgeguard.defenses.noise import Noise
from edgeguard.defenses.response import BoundedResponse, Response, is_table
from edgeguard.defenses.reverse_sigmoid import ReverseSigmoid
from edgeguard.defenses.rounding import Round
from edgeguard.defenses.top_k import TopK
from edgeguard.defenses.transition import Transition
from edgeguard.errors import UsageError

__all__ = [
    "DEFAULT_WITHOUT_VALIDATION",
    "DEFAULT_WITH_VALIDATION",
    "DEFENSES",
    "Table",
    "answers_from_table",
    "configure",
    "default_defense",
    "overridden",
    "parameters",
    "rebuild",
    "tables",
]

Parameter = float | int | str
# What was fitted or drawn: lists of numbers, or lists of such lists.
Table = tuple[int | float | tuple[int, ...], ...]

DEFENSES: dict[str, type[Response]] = {
    kind.name: cast(type[Response], kind)
    for kind in (Codebook, Dcp, Decoy, Label, Noise, ReverseSigmoid, Round, TopK, Transition)
}
# By what adaptive thieves get, and by what it costs honest users: benchmarks/results/evaluation.
DEFAULT_WITH_VALIDATION = Codebook.name
DEFAULT_WITHOUT_VALIDATION = Label.name


def default_defense(*, validated: bool) -> str:
    """The name of the defense that ``--defend`` alone means.

    :param validated: whether there are images that the network was not trained on, to fit confidences to.
    """
    return DEFAULT_WITH_VALIDATION if validated else DEFAULT_WITHOUT_VALIDATION


def configure(name: str, overrides: Mapping[str, str], classes: int) -> Response:
    """A response from what stands on a command line, not yet fitted.

    :param overrides: parameter name to its text, for example ``{"beta": "1.2"}``.
    :raises UsageError: there is no such defense or parameter, or a value does not parse, or lies out of range.
    """
    response = _find(name).for_classes(classes)
    chosen: Response = replace(cast(Any, response), **overridden(name, parameters(response), overrides))
    if hasattr(chosen, "check"):
        cast(BoundedResponse, chosen).check(classes)
    return chosen


def overridden(name: str, values: Mapping[str, Parameter], overrides: Mapping[str, str]) -> dict[str, Parameter]:
    """Parameters, some of them replaced by what stands on a command line.

    :param name: of what they belong to, for messages.
    :param values: by name, each of the type that its text is parsed as.
    :raises UsageError: there is no such parameter, or a value does not parse.
    """
    found = dict(values)
    for key, text in overrides.items():
        if key not in values:
            has = ", ".join(values) or "none"
            raise UsageError(f"{name} has no parameter {key!r}", where="--defense-param", fix=f"It has: {has}")
        wanted = type(values[key])
        try:
            found[key] = wanted(text)
        except ValueError:
            raise UsageError(f"{key} must be {wanted.__name__}, not {text!r}", where="--defense-param") from None
    return found


def answers_from_table(name: str) -> bool:
    """Whether a response is a table's row, and so runs best on integer logits.

    :raises UsageError: there is no such defense.
    """
    return is_table(_find(name))


def rebuild(name: str, version: int, values: Mapping[str, Parameter], fitted: Mapping[str, Table]) -> Response:
    """The response that a manifest records.

    :raises UsageError: this edgeguard does not know it, or not in this version or with these parameters.
    """
    kind = _find(name)
    again = "Install the edgeguard that exported it, or export again"
    if version != kind.version:
        raise UsageError(f"the artifact uses version {version} of {name}, this edgeguard has {kind.version}", fix=again)
    defaults = kind.for_classes(2)
    known = parameters(defaults)
    surplus_or_missing = sorted((set(values) ^ set(known)) | (set(fitted) ^ set(tables(defaults))))
    if surplus_or_missing:
        raise UsageError(
            f"the artifact's {name} has other parameters than this edgeguard's: {', '.join(surplus_or_missing)}",
            fix=again,
        )
    for key, value in values.items():
        if isinstance(value, str) != isinstance(known[key], str):
            raise UsageError(f"the artifact's {name} has {key} = {value!r}", fix="Export again")
    return kind(**values, **{key: _tuple(table) for key, table in fitted.items()})


def parameters(response: Response) -> dict[str, Parameter]:
    """The parameters of a response, by name."""
    return {name: value for name, value in _fields(response).items() if not isinstance(value, tuple)}


def tables(response: Response) -> dict[str, Table]:
    """What was fitted for a response or drawn by its key, by name; empty tuples before."""
    return {name: value for name, value in _fields(response).items() if isinstance(value, tuple)}


def _fields(response: Response) -> dict[str, Any]:
    return {entry.name: getattr(response, entry.name) for entry in fields(cast(Any, response))}


def _tuple(value: Any) -> Any:
    """Lists as tuples, at any depth: what was read from JSON is as hashable as what was written."""
    return tuple(_tuple(entry) for entry in value) if isinstance(value, list | tuple) else value


def _find(name: str) -> type[Response]:
    try:
        return DEFENSES[name]
    except KeyError:
        raise UsageError(f"there is no defense {name!r}", fix=f"Choose one of: {', '.join(DEFENSES)}") from None
