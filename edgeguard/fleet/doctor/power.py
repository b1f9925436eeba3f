"""Checks of power, heat and clock rate: what slows a board down. Where nobody tells, it is unknown, not healthy."""

from __future__ import annotations

from edgeguard.fleet.doctor.facts import Facts
from edgeguard.fleet.doctor.line import Line, ok, problem, warning

__all__ = ["cooling", "frequency", "heat", "power", "temperature"]

_UNDER_VOLTAGE = "under-voltage"
_SUPPLY = "Use the official power supply and a short cable (Pi 5: 5 V, 5 A; Pi 4: 3 A; Pi 3: 2.5 A)"
_CLEAR = "reboot to clear the record"
_ASK_FIRMWARE = "Let this user ask the firmware: sudo usermod -aG video $USER, and log in again"
_COOL = "Fit a heat sink or a fan, or move it to a cooler place"
_SUSTAINED = "`edgeguard bench --sustained 10m` shows whether it is enough"
# A Raspberry Pi slows down at 80 degrees, and other CPUs not before 90.
_HOT = {"board": 80.0, "host": 95.0, "emulated": 95.0}
_WARM = {"board": 70.0, "host": 85.0, "emulated": 85.0}
# Governors that hold one frequency; intel_pstate and amd_pstate_epp use the name "powersave" for a moving one.
_MOVING_POWERSAVE = ("intel_pstate", "amd-pstate-epp")


def power(facts: Facts) -> Line:
    """Enough voltage."""
    found = facts.throttled
    if found is None:
        return warning("power", *_unasked(facts))
    if _UNDER_VOLTAGE in found.now:
        return problem("power", f"under-voltage now ({found.raw})", _SUPPLY)
    if _UNDER_VOLTAGE in found.since_boot:
        return warning("power", f"there was under-voltage since boot ({found.raw})", f"{_SUPPLY}; {_CLEAR}")
    if found.source != "vcgencmd":
        return warning("power", "no under-voltage now; before, nobody knows (the driver alone)", _ASK_FIRMWARE)
    return ok("power", "no under-voltage since boot")


def heat(facts: Facts) -> Line:
    """Not slowed down by the firmware."""
    found = facts.throttled
    if found is None:
        return warning("throttling", *_unasked(facts))
    if found.source != "vcgencmd":
        return warning("throttling", "unknown: the voltage driver tells nothing about heat", _ASK_FIRMWARE)
    now = [name for name in found.now if name != _UNDER_VOLTAGE]
    if now:
        return problem("throttling", f"{', '.join(now)} now ({found.raw})", f"{_COOL}; see power, too")
    before = [name for name in found.since_boot if name != _UNDER_VOLTAGE]
    if before:
        return warning("throttling", f"{', '.join(before)} since boot ({found.raw})", f"{_COOL}; {_CLEAR}")
    return ok("throttling", "none since boot")


def temperature(facts: Facts) -> Line:
    """Not hot."""
    value = facts.temperature_c
    if value is None:
        return warning("temperature", "unknown: no thermal zone can be read", "Measure it by other means: `sensors`")
    detail = f"{value:.0f} degrees Celsius"
    if value >= _HOT[facts.kind.kind]:
        return problem("temperature", detail, f"{_COOL}, and stop other work")
    if value >= _WARM[facts.kind.kind]:
        return warning("temperature", detail, f"{_COOL}; {_SUSTAINED}")
    return ok("temperature", detail)


def cooling(facts: Facts) -> Line:
    """A fan that the kernel knows. One that is simply wired to 5 V, and a heat sink, it cannot know."""
    fans = [name for name in facts.cooling if "fan" in name.lower()]
    if fans:
        return ok("cooling", f"a fan ({', '.join(fans)})")
    if facts.kind.kind == "board":
        return warning("cooling", "no fan that the kernel knows of", f"If there is none, fit one; {_SUSTAINED}")
    return warning("cooling", "unknown: the kernel lists no fan", f"Look whether it has one; {_SUSTAINED}")


def frequency(facts: Facts) -> Line:
    """The CPU may run at its full clock rate."""
    found = facts.frequency
    if not found.governors:
        detail = "unknown: the kernel does not set it (no cpufreq)"
        return warning("frequency", detail, "Trust only benchmarks whose A/A control agrees")
    governors = ", ".join(found.governors)
    held = "powersave" in found.governors and found.driver not in _MOVING_POWERSAVE
    capped = found.limit_khz is not None and found.hardware_khz is not None and found.limit_khz < found.hardware_khz
    if held:
        detail = f"governor {governors}: the lowest clock rate always"
        return warning("frequency", detail, _governor("ondemand"))
    if capped and found.limit_khz is not None and found.hardware_khz is not None:
        detail = f"capped at {found.limit_khz // 1000} of {found.hardware_khz // 1000} MHz"
        remedy = f"echo {found.hardware_khz} | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_max_freq"
        return warning("frequency", detail, remedy)
    rate = f", up to {found.limit_khz // 1000} MHz" if found.limit_khz is not None else ""
    if found.governors == ("performance",):
        return ok("frequency", f"governor performance{rate}")
    return ok("frequency", f"governor {governors}{rate}; it moves with the load, so for a benchmark take performance")


def _unasked(facts: Facts) -> tuple[str, str]:
    if facts.kind.kind == "board":
        return "unknown: the firmware does not answer (vcgencmd)", _ASK_FIRMWARE
    return "unknown: only the firmware of a Raspberry Pi tells", "Watch it by other means if it matters: `sudo dmesg`"


def _governor(name: str) -> str:
    return f"echo {name} | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
