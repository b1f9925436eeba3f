"""Facts of the machine that hold for the whole measurement."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from edgeguard.cpu import CpuFacts, parse_cpuinfo
from edgeguard.small_files import read_number, read_text

__all__ = ["DeviceFacts", "read_device"]


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """The machine. ``None`` means unreadable.

    :param model: the board's name in the device tree.
    :param machine: ``uname -m``; ``kernel``: ``uname -r``.
    :param system: ``PRETTY_NAME`` of ``/etc/os-release``.
    :param virtual: whether the CPU says that a hypervisor runs it.
    :param cpus: number of logical CPUs; ``affinity``: those that this process may use.
    :param zram: swap lies in compressed memory.
    """

    model: str | None
    machine: str
    kernel: str
    system: str | None
    cpu: CpuFacts
    virtual: bool | None
    cpus: int
    affinity: tuple[int, ...]
    frequency_min_khz: int | None
    frequency_max_khz: int | None
    memory_kib: int
    swap_kib: int
    zram: bool


def read_device(model: str | None, root: Path = Path("/")) -> DeviceFacts:
    """Read them from below ``root``.

    :param model: see :func:`~edgeguard.bench.device_kind.device_kind`.
    """
    import psutil

    cpuinfo = read_text(root / "proc/cpuinfo") or ""
    release = read_text(root / "etc/os-release") or ""
    pretty = [line.partition("=")[2].strip("\"'") for line in release.splitlines() if line.startswith("PRETTY_NAME=")]
    policy = root / "sys/devices/system/cpu/cpu0/cpufreq"
    return DeviceFacts(
        model=model,
        machine=platform.machine(),
        kernel=platform.release(),
        system=pretty[0] if pretty else None,
        cpu=parse_cpuinfo(cpuinfo),
        virtual=" hypervisor" in cpuinfo if "flags" in cpuinfo else None,
        cpus=psutil.cpu_count() or 1,
        affinity=tuple(sorted(os.sched_getaffinity(0))),
        frequency_min_khz=read_number(policy / "scaling_min_freq"),
        frequency_max_khz=read_number(policy / "scaling_max_freq"),
        memory_kib=psutil.virtual_memory().total // 1024,
        swap_kib=psutil.swap_memory().total // 1024,
        zram="zram" in (read_text(root / "proc/swaps") or ""),
    )
