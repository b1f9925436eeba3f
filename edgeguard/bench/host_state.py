"""How the machine fares at one moment; taken before and after a measurement."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from edgeguard.bench.throttled import Throttled, read_throttled
from edgeguard.small_files import read_number, read_text

__all__ = ["HostState", "parse_pressure", "read_state", "read_temperature"]


@dataclass(frozen=True, slots=True)
class HostState:
    """The machine's state. ``None`` and empty mean unreadable.

    :param governor: frequency governors in use; usually one.
    :param frequency_khz: current frequency of each CPU, mostly idle ones: for the frequency under load see
        :class:`~edgeguard.bench.messages.Window`.
    :param throttled: what the firmware of a Pi says.
    :param temperature_c: of thermal zone 0, in degrees Celsius.
    :param load: average number of runnable processes in the last minute.
    :param pressure: ``cpu``, ``memory``, ``io`` to the share of the last 10 s in which some process waited, in percent.
    """

    governor: tuple[str, ...]
    frequency_khz: tuple[int, ...]
    throttled: Throttled | None
    temperature_c: float | None
    load: float
    memory_available_kib: int
    swap_used_kib: int
    pressure: dict[str, float]


def read_state(root: Path = Path("/")) -> HostState:
    """Read it from below ``root``."""
    import psutil

    policies = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq"))
    frequencies = [read_number(policy / "scaling_cur_freq") for policy in policies]
    pressures = {
        name: parse_pressure(read_text(root / "proc/pressure" / name) or "") for name in ("cpu", "memory", "io")
    }
    return HostState(
        governor=tuple(sorted({text for policy in policies if (text := read_text(policy / "scaling_governor"))})),
        frequency_khz=tuple(value for value in frequencies if value is not None),
        throttled=read_throttled(root),
        temperature_c=read_temperature(root),
        load=os.getloadavg()[0],
        memory_available_kib=psutil.virtual_memory().available // 1024,
        swap_used_kib=psutil.swap_memory().used // 1024,
        pressure={name: value for name, value in pressures.items() if value is not None},
    )


def read_temperature(root: Path = Path("/")) -> float | None:
    """Of thermal zone 0, in degrees Celsius; ``None`` if unreadable."""
    millidegrees = read_number(root / "sys/class/thermal/thermal_zone0/temp")
    return None if millidegrees is None else millidegrees / 1000


def parse_pressure(text: str) -> float | None:
    """``avg10`` of the line ``some`` of a file of ``/proc/pressure``."""
    found = re.search(r"^some avg10=([0-9.]+)", text, re.MULTILINE)
    return None if found is None else float(found.group(1))
