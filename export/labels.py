"""Class names from a file."""

from __future__ import annotations

import json
from pathlib import Path

from edgeguard.errors import BadData

__all__ = ["read_labels"]


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names in order: one a line, or a JSON list of strings.

    :raises BadData: the file cannot be read as either.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"cannot be read as text: {error}", where=str(path)) from None
    if path.suffix.lower() != ".json":
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    try:
        names = json.loads(text)
    except ValueError as error:
        raise BadData(f"is not JSON: {error}", where=str(path)) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadData("is not a JSON list of strings", where=str(path), fix='Write it as ["cat", "dog", ...]')
    return tuple(names)
