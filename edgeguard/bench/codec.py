"""Dataclasses from JSON, for messages between our own processes: types are followed, not checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

__all__ = ["decode"]


def decode(kind: type, data: Mapping[str, Any]) -> Any:
    """An instance of the dataclass ``kind`` from what ``json`` made of its ``asdict``.

    Tuples, dictionaries, nested dataclasses and ``None`` are restored.

    :raises TypeError: ``data`` lacks a field, or has one too many.
    """
    hints = _hints(kind)
    return kind(**{name: _value(hints[name], value) if name in hints else value for name, value in data.items()})


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (hint,) = [option for option in inner if option is not type(None)]
        return _value(hint, value)
    if origin is tuple:
        return tuple(_value(inner[0], entry) for entry in value)
    if origin is dict:
        return {key: _value(inner[1], entry) for key, entry in value.items()}
    return decode(hint, value) if is_dataclass(hint) and isinstance(hint, type) else value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
