"""Checks of room: disk, memory, swap."""

from __future__ import annotations

import shlex

from edgeguard.fleet.doctor.facts import Facts
from edgeguard.fleet.doctor.line import Line, ok, problem, warning

__all__ = ["MIB", "directory", "disk", "inodes", "memory", "size", "swap"]

MIB = 1 << 20
# An environment on arm64 takes 210 MB, its wheels 60; one that is there already may stay as it is.
_ENVIRONMENT_BYTES = 300 * MIB
_WORKING_BYTES = 50 * MIB
_ENVIRONMENT_FILES = 6000
_WORKING_FILES = 200
# `edgeguard verify` of a small artifact has 80 MiB resident.
_LEAST_MEMORY_KIB = 96 << 10
# Below that a board does without swap at its peril.
_SMALL_KIB = 1 << 20
_FLEETING = ("overlay", "tmpfs", "ramfs")
_MAKE_ROOM = "Make room: sudo apt clean; sudo journalctl --vacuum-size=50M"


def directory(facts: Facts) -> Line:
    """edgeguard's directory may be written, and is there after a reboot."""
    place = facts.answer.place
    path = shlex.quote(place.path)
    if place.read_only:
        remedy = f"sudo mount -o remount,rw {path}; if that fails, the SD card is worn: replace it"
        return problem("directory", f"{place.path} is on a read-only file system", remedy)
    if not place.writable:
        return problem("directory", f"this user may not write to {place.path}", f"sudo chown $USER {path}")
    if facts.filesystem in _FLEETING:
        remedy = "Switch the overlay file system off with `sudo raspi-config`, or choose a --directory on a disk"
        return warning("directory", f"{place.path} is on {facts.filesystem}: a reboot may lose it", remedy)
    return ok("directory", f"{place.path} can be written")


def disk(facts: Facts) -> Line:
    """Room for an environment, if there is none yet, and for work."""
    place = facts.answer.place
    needed = _WORKING_BYTES if _has_environment(facts) else _ENVIRONMENT_BYTES
    detail = f"{size(place.free)} of {size(place.total)} free at {place.path}"
    if place.free < needed:
        return problem("disk", f"{detail}; edgeguard needs {size(needed)}", _MAKE_ROOM)
    if place.free < 2 * needed:
        return warning("disk", f"{detail}; little more than the {size(needed)} that edgeguard needs", _MAKE_ROOM)
    return ok("disk", detail)


def inodes(facts: Facts) -> Line:
    """Files can still be made: a disk with room may have no inodes left."""
    free = facts.answer.place.inodes_free
    needed = _WORKING_FILES if _has_environment(facts) else _ENVIRONMENT_FILES
    if free is None:
        return ok("inodes", "no limit")
    path = shlex.quote(facts.answer.place.path)
    remedy = f"Remove files; the last lines tell where most are: sudo du --inodes -x {path} | sort -n"
    if free < needed:
        return problem("inodes", f"{free} files can still be made; edgeguard needs {needed}", remedy)
    if free < 2 * needed:
        return warning("inodes", f"{free} files can still be made, little more than edgeguard needs", remedy)
    return ok("inodes", f"{free} files can still be made")


def memory(facts: Facts) -> Line:
    """Memory for the runtime."""
    found = facts.memory
    if found is None:
        return warning("memory", "unknown: /proc/meminfo cannot be read", "See what `free -m` says there")
    detail = f"{found.available >> 10} of {found.total >> 10} MiB available"
    if found.available + found.swap_free < _LEAST_MEMORY_KIB:
        detail = f"{detail}, and {found.swap_free >> 10} MiB of swap; edgeguard needs {_LEAST_MEMORY_KIB >> 10}"
        return problem("memory", detail, "Stop other programs: see `ps aux --sort=-rss | head`")
    if found.available < _LEAST_MEMORY_KIB:
        return warning("memory", f"{detail}: it will swap", "Stop other programs: see `ps aux --sort=-rss | head`")
    return ok("memory", detail)


def swap(facts: Facts) -> Line:
    """Swap where memory is small, and little of it in use."""
    found = facts.memory
    if found is None:
        return warning("swap", "unknown: /proc/meminfo cannot be read", "See what `free -m` says there")
    if found.swap_total == 0:
        if found.total < _SMALL_KIB:
            remedy = "sudo apt install zram-tools, or sudo dphys-swapfile setup"
            return warning("swap", f"none, with {found.total >> 10} MiB of memory", remedy)
        return ok("swap", "none, and memory enough to do without")
    used = found.swap_total - found.swap_free
    where = "zram" if found.zram else "disk"
    detail = f"{used >> 10} of {found.swap_total >> 10} MiB in use, on {where}"
    if not found.zram and 2 * used > found.swap_total:
        return warning("swap", f"{detail}: slow, and wears the SD card", "Stop other programs, or use zram: zram-tools")
    return ok("swap", detail)


def size(count: int) -> str:
    """A number of bytes for a reader."""
    if count < MIB:
        return f"{count / 1024:.0f} KiB"
    return f"{count / MIB:,.0f} MiB" if count < 10 << 30 else f"{count / (1 << 30):,.0f} GiB"


def _has_environment(facts: Facts) -> bool:
    return facts.answer.interpreter.origin == "deployed" and facts.answer.interpreter.failure is None
