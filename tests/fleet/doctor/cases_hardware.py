"""For each check of room, power and activity: devices on which it gives each of its statuses."""

from __future__ import annotations

from typing import Any

from edgeguard.fleet.doctor import activity, power, storage
from tests.fleet.doctor.case import HOST, NOTHING_YET, Case, with_files
from tests.fleet.doctor.devices import CPUFREQ, MIB, NOW

__all__ = ["HARDWARE"]

_VOLT = {"sys/class/hwmon/hwmon1/name": "rpi_volt", "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0"}
_TEMPERATURE = "sys/class/thermal/thermal_zone0/temp"
_PARANOID = "proc/sys/kernel/perf_event_paranoid"
_SYNCHRONIZED = "run/systemd/timesync/synchronized"


def _throttled(answer: str | None) -> dict[str, Any]:
    return {"commands": {"vcgencmd": answer}}


def _memory(total: int, available: int, swap: int, swap_free: int, swaps: str = "/dev/zram0") -> dict[str, Any]:
    """In MiB."""
    values = {"MemTotal": total, "MemAvailable": available, "SwapTotal": swap, "SwapFree": swap_free}
    text = "".join(f"{name}: {value << 10} kB\n" for name, value in values.items())
    return with_files({"proc/meminfo": text, "proc/swaps": swaps})


_STORAGE = (
    Case(storage.directory, "ok", ("/home/pi/edgeguard",)),
    Case(
        storage.directory,
        "warning",
        ("overlay", "raspi-config"),
        with_files({"proc/mounts": "overlay / overlay rw 0 0\n"}),
    ),
    Case(storage.directory, "problem", ("read-only", "remount,rw"), {"place": {"read_only": True, "writable": False}}),
    Case(storage.directory, "problem", ("may not write", "chown"), {"place": {"writable": False}}),
    Case(storage.disk, "ok", ("20 GiB of 29 GiB",)),
    Case(storage.disk, "ok", ("150 MiB",), {"place": {"free": 150 * MIB}}),
    Case(storage.disk, "problem", ("150 MiB", "300 MiB"), {"place": {"free": 150 * MIB}, **NOTHING_YET}),
    Case(storage.disk, "problem", ("0 KiB of", "apt clean"), {"place": {"free": 0}}),
    Case(storage.disk, "warning", ("400 MiB", "little more"), {"place": {"free": 400 * MIB}, **NOTHING_YET}),
    Case(storage.inodes, "ok", ("1800000",)),
    Case(storage.inodes, "ok", ("no limit",), {"place": {"inodes_free": None}}),
    Case(storage.inodes, "warning", ("300 files",), {"place": {"inodes_free": 300}}),
    Case(storage.inodes, "problem", ("0 files", "du --inodes"), {"place": {"inodes_free": 0}}),
    Case(storage.inodes, "problem", ("3000 files",), {"place": {"inodes_free": 3000}, **NOTHING_YET}),
    Case(storage.memory, "ok", ("300 of 426 MiB",), _memory(426, 300, 0, 0)),
    Case(storage.memory, "warning", ("it will swap", "ps aux"), _memory(426, 60, 100, 90)),
    Case(storage.memory, "problem", ("20 of 426 MiB", "edgeguard needs 96"), _memory(426, 20, 100, 10)),
    Case(storage.memory, "warning", ("unknown", "free -m"), with_files({"proc/meminfo": "MemTotal: 1 kB\n"})),
    Case(storage.swap, "ok", ("0 of 1953 MiB in use, on zram",)),
    Case(storage.swap, "ok", ("memory enough",), _memory(4000, 3000, 0, 0)),
    Case(storage.swap, "ok", ("80 of 100 MiB in use, on zram",), _memory(4000, 3000, 100, 20)),
    Case(storage.swap, "warning", ("none, with 426 MiB", "zram-tools"), _memory(426, 300, 0, 0)),
    Case(storage.swap, "warning", ("80 of 100 MiB", "on disk"), _memory(4000, 3000, 100, 20, "/var/swap")),
    Case(storage.swap, "warning", ("unknown",), with_files({"proc/meminfo": None})),
)

_POWER = (
    Case(power.power, "ok", ("no under-voltage since boot",)),
    Case(power.power, "problem", ("under-voltage now (0x50005)", "power supply"), _throttled("throttled=0x50005\n")),
    Case(power.power, "warning", ("since boot (0x50000)", "reboot"), _throttled("throttled=0x50000\n")),
    Case(power.power, "warning", ("unknown", "usermod -aG video"), _throttled("VCHI initialization failed")),
    Case(
        power.power,
        "warning",
        ("unknown: only the firmware of a Raspberry Pi", "dmesg"),
        {"machine": "x86_64", **with_files(HOST), **_throttled(None)},
    ),
    Case(power.power, "warning", ("before, nobody knows",), {**_throttled(None), **with_files(dict(_VOLT))}),
    Case(power.heat, "ok", ("none since boot",), _throttled("throttled=0x10001\n")),
    Case(power.heat, "problem", ("frequency capped, throttled now", "fan"), _throttled("throttled=0x6\n")),
    Case(power.heat, "warning", ("soft temperature limit since boot",), _throttled("throttled=0x80000\n")),
    Case(power.heat, "warning", ("unknown", "usermod"), _throttled(None)),
    Case(power.heat, "warning", ("tells nothing about heat",), {**_throttled(None), **with_files(dict(_VOLT))}),
    Case(power.temperature, "ok", ("48 degrees",)),
    Case(power.temperature, "warning", ("72 degrees", "--sustained"), with_files({_TEMPERATURE: "72000"})),
    Case(power.temperature, "problem", ("83 degrees", "heat sink"), with_files({_TEMPERATURE: "83000"})),
    Case(
        power.temperature,
        "ok",
        ("83 degrees",),
        {"machine": "x86_64", **with_files({**HOST, _TEMPERATURE: "83000"})},
    ),
    Case(power.temperature, "warning", ("unknown", "sensors"), with_files({_TEMPERATURE: None})),
    Case(power.cooling, "ok", ("pwm-fan",)),
    Case(power.cooling, "warning", ("no fan",), with_files({"sys/class/thermal/cooling_device0/type": "cpufreq"})),
    Case(power.cooling, "warning", ("unknown",), {"machine": "x86_64", **with_files(HOST)}),
    Case(power.frequency, "ok", ("ondemand, up to 2400 MHz; it moves",)),
    Case(power.frequency, "ok", ("governor performance",), with_files({f"{CPUFREQ}/scaling_governor": "performance"})),
    Case(
        power.frequency,
        "ok",
        ("powersave",),
        with_files({f"{CPUFREQ}/scaling_governor": "powersave", f"{CPUFREQ}/scaling_driver": "intel_pstate"}),
    ),
    Case(
        power.frequency,
        "warning",
        ("the lowest clock rate", "tee"),
        with_files({f"{CPUFREQ}/scaling_governor": "powersave"}),
    ),
    Case(
        power.frequency,
        "warning",
        ("capped at 1500 of 2400 MHz", "echo 2400000"),
        with_files({f"{CPUFREQ}/scaling_max_freq": "1500000"}),
    ),
    Case(power.frequency, "warning", ("unknown",), with_files({f"{CPUFREQ}/scaling_governor": None})),
)

_UNTOLD = {"files": {_SYNCHRONIZED: None}, "commands": {"timedatectl": None}}
_ACTIVITY = (
    Case(activity.clock, "ok", ("follows a time server",)),
    Case(activity.clock, "ok", ("follows",), {"files": {_SYNCHRONIZED: None}}),
    Case(activity.clock, "ok", ("agrees",), _UNTOLD, (NOW - 1, NOW + 1)),
    Case(activity.clock, "warning", ("unknown", "date"), _UNTOLD),
    Case(
        activity.clock,
        "warning",
        ("follows no time server", "set-ntp"),
        {"files": {_SYNCHRONIZED: None}, "commands": {"timedatectl": "no\n"}},
        (NOW - 1, NOW + 1),
    ),
    Case(activity.clock, "warning", ("2.0 hours behind",), {}, (NOW + 7200, NOW + 7201)),
    Case(activity.clock, "problem", ("3.0 days ahead", "timedatectl"), {}, (NOW - 260_000, NOW - 259_200)),
    Case(activity.clock, "problem", ("1970-01-01",), {"time": 100.0}),
    Case(activity.load, "ok", ("0.08 on 4 cores, 1 %",)),
    Case(
        activity.load,
        "warning",
        ("chromium (99) 140 % of a core", "kill 99"),
        {"processes": [{"pid": 99, "name": "chromium", "cpu": 1.4}, {"pid": 1, "name": "init", "cpu": 0.01}]},
    ),
    Case(activity.load, "warning", ("3.50 on 4 cores", "top"), with_files({"proc/loadavg": "3.50 1 1 1/1 1"})),
    Case(activity.load, "warning", ("unknown", "uptime"), with_files({"proc/loadavg": None})),
    Case(activity.counters, "ok", ("may be counted",)),
    Case(activity.counters, "ok", ("may be counted",), {"user": 0, **with_files({_PARANOID: "3"})}),
    Case(activity.counters, "warning", ("paranoid 3", "sysctl"), with_files({_PARANOID: "3"})),
    Case(activity.counters, "warning", ("counts no instructions",), with_files({_PARANOID: None})),
    Case(activity.deployed, "ok", ("model 0123456789abcdef",)),
    Case(activity.deployed, "ok", ("nothing yet",), {"deployed": []}),
    Case(
        activity.deployed,
        "problem",
        ("cat: its current version is not there", "--rollback cat"),
        {"deployed": [{"name": "cat", "current": "aa", "previous": "bb", "intact": False}]},
    ),
)

HARDWARE = (*_STORAGE, *_POWER, *_ACTIVITY)
