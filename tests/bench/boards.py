"""Whole Raspberry Pis that are only files, and their firmware's ``vcgencmd``, well or ill.

The numbers are those that real boards show under the kernel of Raspberry Pi OS; see also ``machines.py``.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.bench.machines import put

__all__ = ["BOARDS", "CPUS", "Board", "fake_vcgencmd", "make_board", "set_frequency", "without_cpufreq"]

CPUS = "sys/devices/system/cpu"

_PLAIN = "fp asimd evtstrm crc32 cpuid"
_A76 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Board:
    """What tells one board from another.

    :param part: ``CPU part`` of implementer 0x41; ``core``: what Arm calls it.
    :param khz: lowest and highest frequency.
    """

    model: str
    revision: str
    serial: str
    part: str
    core: str
    variant: str
    stepping: int
    bogomips: str
    features: str
    khz: tuple[int, int]

    @property
    def dot_product(self) -> bool:
        return "asimddp" in self.features


BOARDS = {
    "3B+": Board(
        *("Raspberry Pi 3 Model B Plus Rev 1.3", "a020d3", "00000000a1b2c3d4"),
        *("0xd03", "Cortex-A53", "0x0", 4, "38.40", _PLAIN, (600000, 1400000)),
    ),
    "4B": Board(
        *("Raspberry Pi 4 Model B Rev 1.5", "c03115", "10000000abcdef12"),
        *("0xd08", "Cortex-A72", "0x0", 3, "108.00", _PLAIN, (600000, 1800000)),
    ),
    "5": Board(
        *("Raspberry Pi 5 Model B Rev 1.0", "d04170", "2a5a8f31f0c1b2d3"),
        *("0xd0b", "Cortex-A76", "0x4", 1, "108.00", _A76, (1500000, 2400000)),
    ),
    "Zero 2 W": Board(
        *("Raspberry Pi Zero 2 W Rev 1.0", "902120", "00000000f00dbabe"),
        *("0xd03", "Cortex-A53", "0x0", 4, "38.40", _PLAIN, (600000, 1000000)),
    ),
}


def make_board(root: Path, board: Board, *, hwmon_alarm: int | None = 0) -> Path:
    """The board's ``/proc`` and ``/sys`` below ``root``, under load at its highest frequency.

    :param hwmon_alarm: what the driver ``rpi_volt`` says; ``None`` where it is not loaded.
    """
    low, high = board.khz
    put(
        root,
        {
            "proc/cpuinfo": _cpuinfo(board),
            "proc/device-tree/model": f"{board.model}\0",
            "proc/device-tree/serial-number": f"{board.serial}\0",
            "proc/device-tree/compatible": "raspberrypi\0brcm,bcm2711\0",
            "proc/sys/kernel/arch": "aarch64\n",
            "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
            "proc/pressure/cpu": "some avg10=0.00 avg60=0.12 avg300=0.05 total=81234567\n",
            "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nID=debian\n',
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "51121\n",
            "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
            "sys/class/hwmon/hwmon0/temp1_input": "51121\n",
            f"{CPUS}/online": "0-3\n",
            f"{CPUS}/cpufreq/policy0/scaling_governor": "performance\n",
            f"{CPUS}/cpufreq/policy0/scaling_min_freq": f"{low}\n",
            f"{CPUS}/cpufreq/policy0/scaling_max_freq": f"{high}\n",
            f"{CPUS}/cpufreq/policy0/scaling_cur_freq": f"{high}\n",
        },
    )
    for number in range(4):
        # All cores of a Pi share one policy, and the kernel shows it through links.
        directory = root / CPUS / f"cpu{number}"
        directory.mkdir()
        (directory / "cpufreq").symlink_to("../cpufreq/policy0")
    if hwmon_alarm is not None:
        put(root, {"sys/class/hwmon/hwmon1/name": "rpi_volt\n"})
        put(root, {"sys/class/hwmon/hwmon1/in0_lcrit_alarm": f"{hwmon_alarm}\n"})
    return root


def set_frequency(root: Path, khz: int) -> None:
    """Set the frequency that all cores run at."""
    put(root, {f"{CPUS}/cpufreq/policy0/scaling_cur_freq": f"{khz}\n"})


def without_cpufreq(root: Path) -> None:
    """As on a kernel without the driver, or in a container."""
    shutil.rmtree(root / CPUS / "cpufreq")
    for link in (root / CPUS).glob("cpu[0-9]*/cpufreq"):
        link.unlink()


def fake_vcgencmd(directory: Path, script: str) -> Path:
    """An executable ``vcgencmd`` that does what a line of shell says, in a directory to put on PATH."""
    directory.mkdir(exist_ok=True)
    path = directory / "vcgencmd"
    path.write_text(f'#!/bin/sh\n[ "$1" = get_throttled ] || exit 64\n{script}\n')
    path.chmod(0o755)
    return directory


def _cpuinfo(board: Board) -> str:
    cores = [
        f"processor\t: {number}\nBogoMIPS\t: {board.bogomips}\nFeatures\t: {board.features}\n"
        f"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: {board.variant}\nCPU part\t: {board.part}\n"
        f"CPU revision\t: {board.stepping}\n\n"
        for number in range(4)
    ]
    return "".join(cores) + f"Revision\t: {board.revision}\nSerial\t\t: {board.serial}\nModel\t\t: {board.model}\n"
