"""Instructions and cycles of this process, counted by the CPU: Linux's ``perf_event_open``, user space only.

A counter covers the thread that opens it and every thread started from then on (``inherit``), so that it must be open
before a session starts its workers. A count is the difference of two readings.

:func:`open_counter` follows perf_event_open(2); numbers are those of ``linux/perf_event.h``.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from edgeguard.small_files import read_number

__all__ = ["Counter", "Counters", "Event", "explain", "open_counter"]

Event = Literal["instructions", "cycles"]

# PERF_TYPE_HARDWARE with PERF_COUNT_HW_INSTRUCTIONS and PERF_COUNT_HW_CPU_CYCLES.
_CONFIG: dict[Event, tuple[int, int]] = {"instructions": (0, 1), "cycles": (0, 0)}
_CALL = {"aarch64": 241, "x86_64": 298}
_ATTRIBUTE_BYTES = 128
_INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
_TIME_ENABLED, _TIME_RUNNING = 1, 2
_CLOSE_ON_EXEC = 8
# The highest setting that lets a process count its own user space. Debian's kernels know 3, which allows nothing.
_PARANOID = 2
# A counter that ran for less than this share of its time was lent to somebody else in between.
_ALWAYS = 0.999


@dataclass(frozen=True, slots=True)
class Counter:
    """An open counter."""

    descriptor: int

    def read(self) -> int:
        """Its value, over all threads that it covers."""
        value: int = struct.unpack_from("=Q", os.read(self.descriptor, 24))[0]
        return value

    def whole(self) -> bool:
        """Whether it counted all the time: more events than the CPU has counters take turns."""
        _, enabled, running = struct.unpack("=QQQ", os.read(self.descriptor, 24))
        return bool(running >= _ALWAYS * enabled)

    def close(self) -> None:
        """Give it back."""
        os.close(self.descriptor)


class Counters:
    """All of the wanted counters that this machine grants, as a context manager.

    :param events: what to count.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self.open: dict[Event, Counter] = {}
        self.refused: dict[Event, str] = {}
        for event in events:
            try:
                self.open[event] = open_counter(event)
            except OSError as error:
                self.refused[event] = explain(error.errno or 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for counter in self.open.values():
            counter.close()


def open_counter(event: Event) -> Counter:
    """Start counting.

    :raises OSError: the kernel refuses; see :func:`explain`.
    """
    number = _CALL.get(platform.machine())
    if number is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    kind, config = _CONFIG[event]
    head = struct.pack(
        "=IIQQQQQ",
        kind,
        _ATTRIBUTE_BYTES,
        config,
        0,
        0,
        _TIME_ENABLED | _TIME_RUNNING,
        _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR,
    )
    attribute = ctypes.create_string_buffer(head, _ATTRIBUTE_BYTES)
    library = ctypes.CDLL(None, use_errno=True)
    # Arguments of a variadic function have no type of their own: a 32-bit -1 may leave rubbish in the upper half.
    this_thread, any_cpu, no_group, flags = (ctypes.c_long(value) for value in (0, -1, -1, _CLOSE_ON_EXEC))
    descriptor = library.syscall(ctypes.c_long(number), attribute, this_thread, any_cpu, no_group, flags)
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return Counter(descriptor)


def explain(code: int, root: Path = Path("/")) -> str:
    """Why the kernel refused, and what to do about it."""
    if code in (errno.EACCES, errno.EPERM):
        paranoid = read_number(root / "proc/sys/kernel/perf_event_paranoid")
        if paranoid is not None and paranoid > _PARANOID:
            return (
                f"kernel.perf_event_paranoid is {paranoid}, which forbids it: "
                f"sudo sysctl kernel.perf_event_paranoid={_PARANOID}"
            )
        return "something forbids it although kernel.perf_event_paranoid does not: a container's seccomp, perhaps"
    if code in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
        return "this machine has no such counter; virtual machines often show none"
    if code == errno.ENOSYS:
        return "this kernel, or this kind of CPU, has no perf_event_open that edgeguard knows"
    return os.strerror(code)
