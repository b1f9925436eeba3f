"""Watching the machine while a process measures: whose CPU time it was, and how fast the CPU ran."""

from __future__ import annotations

import os
import time
from pathlib import Path

from edgeguard.bench.messages import Window

__all__ = ["Watch", "highest_frequency"]


class Watch:
    """Starts at once; :meth:`stop` gives the window since.

    :param root: where the files with the frequencies lie.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._frequency = highest_frequency(root)
        self._waited = _waited_seconds()
        self._busy, self._steal = _machine_seconds()
        self._own = _own_seconds()
        self._wall = time.perf_counter()

    def stop(self) -> Window:
        """What happened since the start."""
        import psutil

        seconds = time.perf_counter() - self._wall
        own = _own_seconds() - self._own
        busy, steal = _machine_seconds()
        waited = _waited_seconds()
        readings = (self._frequency, highest_frequency(self._root))
        return Window(
            seconds=seconds,
            # The kernel counts the machine's time in ticks and ours exactly: the difference can dip below zero.
            others_seconds=max(0.0, busy - self._busy - own),
            steal_seconds=max(0.0, steal - self._steal),
            waited_seconds=None if waited is None or self._waited is None else waited - self._waited,
            cpus=psutil.cpu_count() or 1,
            frequency_khz=tuple(reading for reading in readings if reading is not None),
        )


def highest_frequency(root: Path = Path("/")) -> int | None:
    """The highest current frequency of all CPUs, in kHz; of one that is busy, when one is. ``None`` if unreadable."""
    readings = []
    for path in sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")):
        try:
            readings.append(int(path.read_text()))
        except (OSError, ValueError):
            continue
    return max(readings, default=None)


def _machine_seconds() -> tuple[float, float]:
    """CPU time of everything that runs, and stolen time, in seconds summed over CPUs since boot."""
    import psutil

    times = psutil.cpu_times()
    names = ("user", "nice", "system", "irq", "softirq")  # guest time is part of user
    return sum(getattr(times, name, 0.0) for name in names), getattr(times, "steal", 0.0)


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system


def _waited_seconds() -> float | None:
    """Time that this thread was ready but not running (``/proc/self/schedstat``, second number, nanoseconds)."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None
