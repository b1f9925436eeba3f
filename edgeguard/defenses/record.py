"""Defenses as data: what a manifest records of one, enough to rebuild it on any backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import Gate
from edgeguard.defenses.head import Grid
from edgeguard.defenses.registry import Table, parameters, rebuild, tables

__all__ = ["DefenseRecord", "Tuning", "record_of", "recorded_defense"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a defense was fitted, and what it may cost.

    :param images: validation images it was fitted on.
    :param counted: what counts as right: the ``labels``, ``agreement`` with the float model where there are none, or
        ``every`` answer where there is no float model either.
    :param budget: what the owner is ready to lose, in percentage points of benign accuracy; ``None`` if none was
        named.
    :param lost: images that were answered rightly before, and are not any more.
    :param bound: upper end of the one-sided 95 % interval (Clopper and Pearson, Biometrika 26, 1934) of their share,
        in percentage points.
    :param tuned: what the budget decided: ``gate``, a parameter of the response, or ``nothing``.
    :param reference: where the distribution that gated answers imitate comes from: ``queries`` such as a thief may ask,
        given by the owner, or ``stand-ins`` made from validation images; ``None`` without a gate.
    :param reference_gated: share of the reference that is gated.
    :param wrong_class_bits: entropy of the wrong class given the most likely one, over the gated reference.
    """

    images: int
    counted: Literal["labels", "agreement", "every"]
    budget: float | None = None
    lost: int = 0
    bound: float = 0.0
    tuned: str = "nothing"
    reference: Literal["queries", "stand-ins"] | None = None
    reference_images: int = 0
    reference_gated: float | None = None
    wrong_class_bits: float | None = None


@dataclass(frozen=True, slots=True)
class DefenseRecord:
    """A defense as data.

    :param tables: what was fitted, or drawn by the key.
    :param placement: ``graph`` when it is part of the model file, ``host`` when the runtime applies it afterwards.
    :param file_undefended: the model file alone returns undefended answers (``host``).
    :param key_commitment: of the key that the tables were drawn by; its owner can show the key.
    :param tuning: ``None`` if nothing had to be fitted.
    """

    name: str
    version: int
    parameters: dict[str, float | int | str]
    placement: Literal["graph", "host"]
    file_undefended: bool
    tables: dict[str, Table]
    gate: Gate | None = None
    grid: Grid | None = None
    key_commitment: str | None = None
    tuning: Tuning | None = None


def record_of(
    defense: Defense,
    placement: Literal["graph", "host"],
    *,
    key_commitment: str | None = None,
    tuning: Tuning | None = None,
) -> DefenseRecord:
    """The record of a defense."""
    response = defense.response
    return DefenseRecord(
        response.name,
        response.version,
        parameters(response),
        placement,
        file_undefended=placement == "host",
        tables=tables(response),
        gate=defense.gate,
        grid=defense.grid,
        key_commitment=key_commitment,
        tuning=tuning,
    )


def recorded_defense(record: DefenseRecord) -> Defense:
    """The defense that a record describes.

    :raises UsageError: this edgeguard does not know it, or not in this version or with these parameters.
    """
    response = rebuild(record.name, record.version, record.parameters, record.tables)
    return Defense(response, record.gate, record.grid)
