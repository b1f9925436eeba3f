"""SHA-256 digests of files, arrays and plain data; the identity of everything edgeguard remembers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["array_digest", "file_digest", "json_digest"]


def file_digest(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def array_digest(array: np.ndarray[Any, Any]) -> str:
    """Hex SHA-256 of an array: its dtype, shape and C-ordered bytes, so that equal bytes of another shape differ."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def json_digest(value: Any) -> str:
    """Hex SHA-256 of JSON-serialisable data, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
