"""Published schemas do not depend on the version of pydantic."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from edgeguard.json_schema import json_schema


@dataclass(frozen=True)
class Inner:
    """What lies inside.

    :param number: of something.
    """

    number: int


@dataclass(frozen=True)
class Outer:
    """What lies outside."""

    held: dict[str, tuple[Inner, ...]]
    more: Inner | None = None


def test_types_are_described_by_their_docstrings_however_deep_they_lie() -> None:
    schema = json_schema(TypeAdapter(Outer), Outer)
    assert schema["description"] == "What lies outside."
    assert schema["$defs"]["Inner"]["description"] == "What lies inside.\n\n:param number: of something."
    assert list(schema) == sorted(schema)
    assert schema["properties"]["more"]["default"] is None
