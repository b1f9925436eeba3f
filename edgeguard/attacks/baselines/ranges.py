"""Checks of peers' parameters."""

from __future__ import annotations

from edgeguard.errors import UsageError

__all__ = ["check_choice", "check_range"]


def check_range(peer: str, name: str, value: float, low: float, high: float) -> None:
    """Refuse what does not lie in ``[low, high]``.

    :raises UsageError: naming the parameter.
    """
    if not low <= value <= high:
        raise UsageError(f"{name} must lie in [{low:g}, {high:g}], not {value:g}", where=peer)


def check_choice(peer: str, name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a text that is none of the known ones.

    :raises UsageError: naming the parameter.
    """
    if value not in known:
        raise UsageError(f"there is no {name} {value!r}", where=peer, fix=f"Choose one of: {', '.join(known)}")
