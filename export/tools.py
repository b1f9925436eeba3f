"""Versions of everything that had a hand in an export."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from edgeguard import __version__
from edgeguard.manifest import Format

__all__ = ["tool_versions"]

_TOOLS = {"onnx": ("onnx", "onnxruntime"), "tflite": ("ai-edge-litert",)}
_FROM_TORCH = ("onnx", "onnxruntime", "torch", "onnxscript")
_CONVERTERS = ("litert-torch", "ai-edge-quantizer", "ai-edge-litert")


def tool_versions(kind: str, becomes: Format) -> dict[str, str]:
    """Name to version of what a file of this kind goes through on its way to a format."""
    converters = _CONVERTERS if becomes == "tflite" and kind != "tflite" else ()
    names = ["numpy", *_TOOLS.get(kind, _FROM_TORCH), *converters]
    versions = {"edgeguard": __version__, "python": platform.python_version()}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
