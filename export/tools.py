"""Versions of everything that had a hand in an export."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from edgeguard import __version__

__all__ = ["tool_versions"]


def tool_versions(kind: str) -> dict[str, str]:
    """Name to version; torch only where the model came from torch (``kind`` is not ``onnx``)."""
    names = ["numpy", "onnx", "onnxruntime", *(() if kind == "onnx" else ("torch", "onnxscript"))]
    versions = {"edgeguard": __version__, "python": platform.python_version()}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
