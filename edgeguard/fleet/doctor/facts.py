"""Everything that checks look at: a device's answer, its raw files read by the parsers of :mod:`edgeguard.bench`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeguard.bench.device_kind import DeviceKind, device_kind
from edgeguard.bench.host_state import parse_pressure
from edgeguard.bench.throttled import Throttled, decode_throttled, read_throttled
from edgeguard.cpu import CpuFacts, parse_cpuinfo
from edgeguard.fleet.doctor.answer import Answer
from edgeguard.small_files import read_number, read_text

__all__ = ["Clock", "Facts", "Frequency", "Memory", "read_facts"]


@dataclass(frozen=True, slots=True)
class Frequency:
    """How the kernel sets the CPU's frequency.

    :param governors: those in use.
    :param limit_khz: the highest that the settings allow; ``hardware_khz``: the highest that there is.
    """

    driver: str | None
    governors: tuple[str, ...]
    limit_khz: int | None
    hardware_khz: int | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory and swap, in KiB.

    :param zram: swap lies in compressed memory.
    """

    total: int
    available: int
    swap_total: int
    swap_free: int
    zram: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """The device's clock.

    :param time: seconds since 1970.
    :param offset_s: how far it is ahead of this machine's; ``None`` where there is no other clock to compare with.
    :param synchronised: whether it follows a time server; ``None`` if unknown.
    """

    time: float
    offset_s: float | None
    synchronised: bool | None


@dataclass(frozen=True, slots=True)
class Facts:
    """A device. ``None`` and empty mean unknown, never healthy.

    :param answer: what the device said, for all that needs no further reading.
    :param distribution: ``PRETTY_NAME`` of ``/etc/os-release``.
    :param temperature_c: of thermal zone 0, in degrees Celsius.
    :param cooling: types of the kernel's cooling devices.
    :param filesystem: type of the file system of ``answer.place``.
    :param load: average number of runnable processes in the last minute.
    :param pressure: share of the last 10 s in which some process waited for a CPU, in percent.
    :param perf_event_paranoid: what the kernel refuses those who count instructions.
    """

    answer: Answer
    kind: DeviceKind
    cpu: CpuFacts
    distribution: str | None
    throttled: Throttled | None
    temperature_c: float | None
    cooling: tuple[str, ...]
    frequency: Frequency
    memory: Memory | None
    filesystem: str | None
    clock: Clock
    load: float | None
    pressure: float | None
    perf_event_paranoid: int | None


def read_facts(answer: Answer, asked: tuple[float, float] | None = None) -> Facts:
    """Read what the device sent.

    :param asked: when it was asked and when the answer was here, by this machine's clock; ``None`` if the clock is the
        same.
    """
    files = answer.files
    with _laid_out(files) as root:
        temperature = read_number(root / "sys/class/thermal/thermal_zone0/temp")
        types = (read_text(path) for path in sorted((root / "sys/class/thermal").glob("cooling_device*/type")))
        return Facts(
            answer=answer,
            kind=device_kind(root, answer.machine),
            cpu=parse_cpuinfo(files.get("proc/cpuinfo", "")),
            distribution=_distribution(files.get("etc/os-release", "")),
            # There is no such command below that root: only the drivers' files are asked.
            throttled=decode_throttled(answer.commands.get("vcgencmd") or "")
            or read_throttled(root, str(root / "vcgencmd")),
            temperature_c=None if temperature is None else temperature / 1000,
            cooling=tuple(sorted({name for name in types if name})),
            frequency=_frequency(root),
            memory=_memory(files.get("proc/meminfo", ""), files.get("proc/swaps", "")),
            filesystem=_filesystem(files.get("proc/mounts", ""), answer.place.path),
            clock=Clock(answer.time, _offset(answer.time, asked), _synchronised(answer)),
            load=_first_number(files.get("proc/loadavg", "")),
            pressure=parse_pressure(files.get("proc/pressure/cpu", "")),
            perf_event_paranoid=read_number(root / "proc/sys/kernel/perf_event_paranoid"),
        )


@contextmanager
def _laid_out(files: dict[str, str]) -> Iterator[Path]:
    """A root that holds these files: the parsers of bench read a machine through one."""
    with tempfile.TemporaryDirectory(prefix="edgeguard-doctor-") as directory:
        root = Path(directory)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        yield root


def _distribution(release: str) -> str | None:
    for line in release.splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'") or None
    return None


def _frequency(root: Path) -> Frequency:
    policies = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq"))

    def highest(name: str) -> int | None:
        return max((value for policy in policies if (value := read_number(policy / name)) is not None), default=None)

    return Frequency(
        driver=read_text(policies[0] / "scaling_driver") if policies else None,
        governors=tuple(sorted({text for policy in policies if (text := read_text(policy / "scaling_governor"))})),
        limit_khz=highest("scaling_max_freq"),
        hardware_khz=highest("cpuinfo_max_freq"),
    )


def _memory(meminfo: str, swaps: str) -> Memory | None:
    """From ``/proc/meminfo``, whose numbers are KiB."""
    values: dict[str, int] = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()[:1]
        if number and number[0].isdecimal():
            values[name] = int(number[0])
    if "MemTotal" not in values or "MemAvailable" not in values:
        return None
    return Memory(
        total=values["MemTotal"],
        available=values["MemAvailable"],
        swap_total=values.get("SwapTotal", 0),
        swap_free=values.get("SwapFree", 0),
        zram="zram" in swaps,
    )


def _filesystem(mounts: str, path: str) -> str | None:
    """Type of what is mounted nearest above ``path``; of two mounts on one place the later covers the earlier."""
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ").rstrip("/")
        if (path == point or path.startswith(f"{point}/")) and (found is None or len(point) >= found[0]):
            found = (len(point), fields[2])
    return None if found is None else found[1]


def _offset(time: float, asked: tuple[float, float] | None) -> float | None:
    """How far the clock is outside the time in which it was read."""
    if asked is None:
        return None
    before, after = asked
    return time - min(max(time, before), after)


def _synchronised(answer: Answer) -> bool | None:
    if "run/systemd/timesync/synchronized" in answer.files:
        return True
    return {"yes": True, "no": False}.get((answer.commands.get("timedatectl") or "").strip())


def _first_number(text: str) -> float | None:
    try:
        return float(text.split()[0])
    except (IndexError, ValueError):
        return None
