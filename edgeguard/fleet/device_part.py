"""What of edgeguard a device needs, beside its device part, for the models that it runs."""

from __future__ import annotations

from collections.abc import Iterable

from edgeguard._version import __version__

__all__ = ["extras_for", "requirements"]

# Format of a model to the extra that brings its engine. ONNX Runtime belongs to the device part itself.
_EXTRAS = {"tflite": "litert"}


def extras_for(formats: Iterable[str]) -> tuple[str, ...]:
    """The extras of edgeguard without which models of these formats do not run, in order."""
    return tuple(sorted({_EXTRAS[kind] for kind in formats if kind in _EXTRAS}))


def requirements(extras: Iterable[str]) -> list[str]:
    """What to install; with pip, that the device's owner can look at what is installed there."""
    listed = ",".join(extras)
    return ["pip", f"edgeguard{f'[{listed}]' if listed else ''}=={__version__}"]
