"""Whether a Raspberry Pi is, or was, slowed down by its firmware: heat, or a power supply too weak."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgeguard.small_files import read_number, read_text

__all__ = ["Throttled", "decode_throttled", "read_throttled"]

# Bits of `vcgencmd get_throttled`: n is "now", n + 16 "since boot" (Raspberry Pi documentation, vcgencmd).
_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}


@dataclass(frozen=True, slots=True)
class Throttled:
    """What the firmware says.

    :param source: ``vcgencmd``, or ``hwmon``, which knows of under-voltage only, and nothing from before.
    :param raw: the number itself, in hexadecimal.
    :param now: conditions that hold now.
    :param since_boot: conditions that held at any time since boot.
    """

    source: str
    raw: str
    now: tuple[str, ...]
    since_boot: tuple[str, ...]


def decode_throttled(text: str) -> Throttled | None:
    """The answer of ``vcgencmd get_throttled``, for example ``throttled=0x50005``; ``None`` if it is none."""
    found = re.fullmatch(r"throttled=0x([0-9a-fA-F]+)", text.strip())
    if found is None:
        return None
    value = int(found.group(1), 16)
    return Throttled(
        source="vcgencmd",
        raw=f"{value:#x}",
        now=tuple(name for bit, name in _BITS.items() if value >> bit & 1),
        since_boot=tuple(name for bit, name in _BITS.items() if value >> (bit + 16) & 1),
    )


def read_throttled(root: Path = Path("/"), command: str = "vcgencmd") -> Throttled | None:
    """Ask the firmware, else the driver ``rpi_volt``; ``None`` means unknown, which is not the same as healthy."""
    try:
        done = subprocess.run([command, "get_throttled"], capture_output=True, timeout=5, check=False)
        answer = decode_throttled(done.stdout.decode("utf-8", "replace"))
    except (OSError, subprocess.TimeoutExpired):
        answer = None
    return answer or _from_hwmon(root)


def _from_hwmon(root: Path) -> Throttled | None:
    for directory in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if read_text(directory / "name") == "rpi_volt":
            alarm = read_number(directory / "in0_lcrit_alarm")
            if alarm is None:
                return None
            # The driver reads, and clears, the firmware's sticky bit every two seconds (Linux,
            # drivers/hwmon/raspberrypi-hwmon.c): the alarm is about now.
            return Throttled("hwmon", f"{alarm:#x}", (_BITS[0],) if alarm else (), ())
    return None
