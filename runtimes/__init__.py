"""Runtimes: what executes an artifact. Importing this package loads none of them."""

from edgeguard.runtimes.loading import load
from edgeguard.runtimes.protocol import Runtime

__all__ = ["Runtime", "load"]
