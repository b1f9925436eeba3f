"""What a cell ran on and with, as it stands in its record."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from edgeguard import __version__
from edgeguard.bench.cpu import parse_cpuinfo
from edgeguard.bench.small_files import read_text

__all__ = ["machine", "versions"]


def machine() -> str:
    """CPU model and cores that may be used, and the GPU where students are trained on one."""
    import os
    import platform

    import torch

    from edgeguard.attacks.training import device

    cpu = parse_cpuinfo(read_text(Path("/proc/cpuinfo")) or "").model or platform.machine()
    cores = len(os.sched_getaffinity(0))
    told = f"{cpu}, {cores} core{'' if cores == 1 else 's'}"
    return f"{told}, {torch.cuda.get_device_name()}" if device().type == "cuda" else told


def versions() -> dict[str, str]:
    """Of what figures depend on."""
    return {"edgeguard": __version__, **{name: version(name) for name in ("numpy", "onnxruntime", "torch")}}
