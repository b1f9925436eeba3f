"""What a cell ran on and with, as it stands in its record."""

from __future__ import annotations

from importlib.metadata import version

from edgeguard import __version__
from edgeguard.cpu import this_cpu

__all__ = ["machine", "versions"]

# Features by which the same training differs: in time by ten times, in a clone by the last bits that chaos then grows.
_WIDE = ("asimd", "bf16", "avx2", "avx512f", "avx512_bf16", "amx_bf16")


def machine() -> str:
    """CPU model, cores that may be used, what widens its arithmetic, and the GPU where students are trained on one.

    Names of virtual processors tell nothing: "AMD EPYC" has been one with AVX-512 and bfloat16, and one with neither.
    """
    import os
    import platform

    import torch

    from edgeguard.attacks.training import device

    cpu = this_cpu()
    cores = len(os.sched_getaffinity(0))
    told = f"{cpu.model or platform.machine()}, {cores} core{'' if cores == 1 else 's'}"
    wide = [name for name in cpu.features if name in _WIDE]
    told = f"{told}, {' '.join(wide)}" if wide else told
    return f"{told}, {torch.cuda.get_device_name()}" if device().type == "cuda" else told


def versions() -> dict[str, str]:
    """Of what figures depend on."""
    return {"edgeguard": __version__, **{name: version(name) for name in ("numpy", "onnxruntime", "torch")}}
