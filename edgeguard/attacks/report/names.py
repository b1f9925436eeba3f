"""What the names in a grid mean: everything that the report reads out of a name, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["FLOOR", "NO_POOL", "PEERS", "UNDEFENDED", "budget", "family", "order", "setting", "twins"]

# The victim as it is: where every curve starts.
UNDEFENDED = "undefended"
# Answers that are only labels: no defense that keeps the argmax protects better.
FLOOR = "label"
# The pool of attacks that make their own images.
NO_POOL = "-"
# Families of others, to which ours are compared at equal loss.
PEERS = ("dcp", "reverse-sigmoid", "adaptive-misinformation")

_SETTING = re.compile(r"-(?=\d|[^-=]+=)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)pp(?![a-z])")


def family(defense: str) -> str:
    """The defense whose setting a name gives: what stands before the first hyphen that a digit or ``key=`` follows.

    ``dcp-0.9`` and ``dcp-beta=1.2`` are of the family ``dcp``, ``decoy-0.5pp`` of ``decoy``, and ``reverse-sigmoid`` is
    one by itself.
    """
    return _SETTING.split(defense, maxsplit=1)[0]


def setting(defense: str) -> str:
    """What follows the family in a name, without the hyphen; empty where there is none."""
    return defense[len(family(defense)) + 1 :]


def budget(defense: str) -> float | None:
    """Benign accuracy that a gated defense was allowed to lose, in percentage points.

    It is the number before ``pp`` in the setting: 0.5 for ``decoy-0.5pp``.

    :returns: ``None`` where the setting names no budget.
    """
    found = _BUDGET.search(setting(defense))
    return float(found[1]) if found else None


def order(defense: str) -> tuple[int, str, float, str]:
    """Sorts defenses: the undefended victim, the floor, then families by name and their settings by number."""
    number = _NUMBER.search(setting(defense))
    rank = {UNDEFENDED: 0, FLOOR: 1}.get(defense, 2)
    return rank, family(defense), float(number[0]) if number else 0.0, defense


def twins(victims: Iterable[str]) -> list[tuple[str, str]]:
    """Victims that are the same network, float and int8.

    They are those whose names are equal without the parts ``float`` and ``int8``, where exactly one has ``int8``:
    ``resnet20-float`` (or ``resnet20``) and ``resnet20-int8``. Parts are split at hyphens, underscores, dots
    and blanks.

    :returns: pairs of the float and the int8 victim.
    """
    parts = {victim: re.split(r"[-_. ]", victim) for victim in sorted(set(victims))}
    rest = {victim: [part for part in split if part not in ("float", "int8")] for victim, split in parts.items()}
    return [
        (one, other)
        for one in parts
        for other in parts
        if rest[one] == rest[other] and "int8" not in parts[one] and "int8" in parts[other]
    ]
