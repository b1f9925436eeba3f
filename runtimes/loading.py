"""Choosing the runtime for an artifact."""

from __future__ import annotations

from pathlib import Path

from edgeguard.runtimes.protocol import Runtime

__all__ = ["load"]


def load(artifact: Path | str, *, threads: int = 1) -> Runtime:
    """Load an artifact with the runtime its format needs."""
    raise NotImplementedError
