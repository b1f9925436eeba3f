"""A device, and what a check says about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgeguard.fleet.doctor.line import Status
from edgeguard.fleet.doctor.registry import Check
from tests.bench.machines import X86_CPUINFO
from tests.fleet.doctor.devices import imports

__all__ = ["HOST", "NOTHING_YET", "Case", "with_files"]


@dataclass(frozen=True)
class Case:
    """A healthy Pi 5 after ``changes``, on which ``check`` gives ``status``, with these words in what it says."""

    check: Check
    status: Status
    words: tuple[str, ...]
    changes: dict[str, Any] = field(default_factory=dict)
    asked: tuple[float, float] | None = None

    def __str__(self) -> str:
        return f"{self.check.__name__}: {self.status}, {self.words[0]}"


def with_files(files: dict[str, str | None]) -> dict[str, Any]:
    return {"files": files}


# An x86 computer's files in place of a Pi's.
HOST: dict[str, str | None] = {
    "proc/cpuinfo": X86_CPUINFO,
    "proc/device-tree/model": None,
    "proc/sys/kernel/arch": "x86_64",
    "sys/class/thermal/cooling_device0/type": None,
}
NOTHING_YET = {"interpreter": {"origin": "own", "path": "/usr/bin/python3", "imports": imports({})}}
