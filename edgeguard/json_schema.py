"""JSON Schemas of the files that edgeguard writes, the same whichever pydantic makes them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["json_schema"]


def json_schema(adapter: TypeAdapter[Any], root: type) -> dict[str, Any]:
    """The schema of what ``adapter`` writes, each type described by its docstring.

    pydantic takes the docstrings of dataclasses from version 2.12 on.

    :param root: the dataclass that the adapter is of.
    """
    schema = adapter.json_schema(mode="serialization")
    types = {each.__name__: each for each in _reachable(root, set())}
    definitions = schema.get("$defs", {})
    for name in definitions.keys() & types.keys():
        definitions[name] = _described(definitions[name], types[name])
    return _described(schema, root)


def _described(schema: dict[str, Any], kind: type) -> dict[str, Any]:
    return dict(sorted((schema | {"description": inspect.getdoc(kind)}).items()))


def _reachable(kind: Any, seen: set[type]) -> Iterator[type]:
    """A dataclass and those that its fields are made of."""
    for part in get_args(kind):
        yield from _reachable(part, seen)
    if isinstance(kind, type) and is_dataclass(kind) and kind not in seen:
        seen.add(kind)
        yield kind
        hints = get_type_hints(kind)
        for each in fields(kind):
            yield from _reachable(hints[each.name], seen)
