"""Durations as people write them."""

from __future__ import annotations

import re

from edgeguard.errors import UsageError

__all__ = ["parse_duration"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str, where: str) -> float:
    """Seconds of ``90s``, ``10m`` or ``1.5h``.

    :param where: the option, for the error.
    :raises UsageError: it is none of these, or no time at all.
    """
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smh])", text.strip())
    if found is None:
        raise UsageError(f"is no duration: {text!r}", where=where, fix="Write for example 90s, 10m or 1h")
    return float(found.group(1)) * _UNITS[found.group(2)]
