"""Checks of what goes on: clock, load, counters, what is deployed."""

from __future__ import annotations

import time

from edgeguard.fleet.doctor.facts import Facts
from edgeguard.fleet.doctor.line import Line, ok, problem, warning

__all__ = ["clock", "counters", "deployed", "load"]

_DAY_S = 86400.0
_MINUTE_S = 60.0
# Before this was written.
_PAST = 1735689600.0
_SYNCHRONISE = "sudo timedatectl set-ntp true; without a network, from here: ssh HOST sudo date --set=@$(date +%s)"
# Share of one core from which a process disturbs a measurement, and share of all cores from which the load does.
_HEAVY = 0.25
_LOADED = 0.5
# perf_event_paranoid: up to 2 a process may count its own instructions.
_COUNTS = 2


def clock(facts: Facts) -> Line:
    """The clock is right: without, certificates are refused, and logs lie."""
    found = facts.clock
    day = time.strftime("%Y-%m-%d", time.gmtime(found.time))
    if found.time < _PAST:
        return problem("clock", f"it says {day}", _SYNCHRONISE)
    offset = found.offset_s
    if offset is not None and abs(offset) >= _MINUTE_S:
        side = "ahead of" if offset > 0 else "behind"
        detail = f"{_duration(abs(offset))} {side} this machine's"
        return (problem if abs(offset) >= _DAY_S else warning)("clock", detail, _SYNCHRONISE)
    if found.synchronised:
        return ok("clock", "follows a time server")
    if found.synchronised is None and offset is not None:
        return ok("clock", "agrees with this machine's")
    detail = "unknown whether it follows a time server" if found.synchronised is None else "follows no time server"
    return warning("clock", detail, "Compare it: `date`; and let it be set: sudo timedatectl set-ntp true")


def load(facts: Facts) -> Line:
    """Nothing else keeps the CPU busy."""
    answer = facts.answer
    busy = [process for process in answer.processes if process.cpu >= _HEAVY]
    if busy:
        named = ", ".join(f"{process.name} ({process.pid}) {100 * process.cpu:.0f} %" for process in busy)
        return warning("load", f"busy: {named} of a core", f"Before a benchmark, stop it: kill {busy[0].pid}")
    if facts.load is None:
        return warning("load", "unknown: /proc/loadavg cannot be read", "See what `uptime` says there")
    detail = f"{facts.load:.2f} on {answer.cores} core{'s' if answer.cores > 1 else ''}"
    pressure = "" if facts.pressure is None else f", {facts.pressure:.0f} % of the time something waited for a CPU"
    if facts.load > _LOADED * answer.cores:
        return warning("load", f"{detail}{pressure}", "Before a benchmark, wait, or see `top`")
    return ok("load", f"{detail}{pressure}")


def counters(facts: Facts) -> Line:
    """Instructions per inference can be counted."""
    level = facts.perf_event_paranoid
    if level is None:
        return warning("counters", "the kernel counts no instructions", "Measure time only, or boot the stock kernel")
    if level > _COUNTS and facts.answer.user != 0:
        remedy = f"sudo sysctl kernel.perf_event_paranoid={_COUNTS}"
        return warning("counters", f"counting instructions is refused (perf_event_paranoid {level})", remedy)
    return ok("counters", "instructions may be counted, if the CPU does")


def deployed(facts: Facts) -> Line:
    """What answers there."""
    found = facts.answer.deployed
    for entry in found:
        if not entry.intact:
            back = f"edgeguard deploy --rollback {entry.name} HOST, or " if entry.previous is not None else ""
            detail = f"{entry.name}: its current version is not there"
            return problem("deployed", detail, f"{back}edgeguard deploy ARTIFACT HOST")
    if not found:
        return ok("deployed", "nothing yet")
    return ok("deployed", ", ".join(f"{entry.name} {entry.current or 'without a version'}" for entry in found))


def _duration(seconds: float) -> str:
    if seconds >= _DAY_S:
        return f"{seconds / _DAY_S:.1f} days"
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
