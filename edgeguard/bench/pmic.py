"""Power by a Raspberry Pi 5's own power-management chip: the sum over its rails, not what is drawn from the wall."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from edgeguard.errors import DeviceError

__all__ = ["Rails", "parse_rails", "read_rails"]

_LINE = re.compile(r"^\s*(\w+)_([AV])\s+(?:current|volt)\(\d+\)=([0-9.]+)([AV])\s*$", re.MULTILINE)
_COMMAND = "pmic_read_adc"


@dataclass(frozen=True, slots=True)
class Rails:
    """One reading.

    :param watts: name of each rail whose current and voltage are both measured, to its power.
    """

    watts: dict[str, float]

    @property
    def total(self) -> float:
        """In watts. Rails without a current (5 V to USB and HATs) are in no sum."""
        return sum(self.watts.values())


def parse_rails(text: str) -> Rails | None:
    """The answer of ``vcgencmd pmic_read_adc``; ``None`` if it names no rail with both current and voltage.

    Its lines come in pairs: ``3V3_SYS_A current(1)=0.09758A`` and ``3V3_SYS_V volt(9)=3.30512V``.
    """
    found: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for rail, quantity, value, unit in _LINE.findall(text):
        if quantity == unit:
            found[unit][rail] = float(value)
    watts = {rail: ampere * found["V"][rail] for rail, ampere in found["A"].items() if rail in found["V"]}
    return Rails(watts) if watts else None


def read_rails(command: str = "vcgencmd") -> Rails:
    """Ask the firmware.

    :raises DeviceError: it does not know; only a Pi 5 has such a chip.
    """
    fix = "Only a Raspberry Pi 5 measures its power; leave out --energy"
    try:
        done = subprocess.run([command, _COMMAND], capture_output=True, text=True, timeout=5, check=False)
    except FileNotFoundError:
        raise DeviceError(f"there is no command {command} to read the power with", fix=fix) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{command} {_COMMAND} fails: {error}", fix=fix) from None
    rails = parse_rails(done.stdout)
    if rails is None:
        said = " ".join((done.stdout + done.stderr).split()) or f"exit code {done.returncode}, and nothing else"
        raise DeviceError(f"{command} {_COMMAND} names no rails: it says {said[:200]!r}", fix=fix)
    return rails
