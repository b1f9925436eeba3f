"""What a figure was measured on."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import version

from edgeguard.cpu import this_cpu

__all__ = ["machine"]


def machine() -> str:
    """Date, processor and versions, in one line."""
    name = " ".join((this_cpu().model or platform.machine()).split()[:2])
    packages = ", ".join(f"{package} {version(package)}" for package in ("onnxruntime", "numpy"))
    return (
        f"{datetime.date.today()}, {name}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}"
    )
