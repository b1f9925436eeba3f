"""Reading the small files of /proc and /sys, any of which may be missing."""

from __future__ import annotations

from pathlib import Path

__all__ = ["read_number", "read_text"]


def read_text(path: Path) -> str | None:
    """The file's text without surrounding space and NUL bytes; ``None`` if it cannot be read or is empty."""
    try:
        text = path.read_bytes().decode("utf-8", "replace").strip("\0 \t\n")
    except OSError:
        return None
    return text or None


def read_number(path: Path) -> int | None:
    """The file's integer, or ``None``."""
    text = read_text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
