"""What a device sent, read."""

from __future__ import annotations

from typing import Any

import pytest

from edgeguard.bench.throttled import Throttled
from edgeguard.errors import DeviceError
from edgeguard.fleet.doctor.answer import read_answer
from edgeguard.fleet.doctor.facts import Clock, Frequency, Memory
from tests.bench.machines import PI4_CPUINFO
from tests.fleet.doctor.devices import CPUFREQ, NOW, facts_of, pi5


def test_a_healthy_pi_5() -> None:
    facts = facts_of({})
    assert (facts.kind.kind, facts.kind.model) == ("board", "Raspberry Pi 5 Model B Rev 1.1")
    assert (facts.cpu.model, facts.cpu.dot_product) == ("Cortex-A76", True)
    assert facts.distribution == "Debian GNU/Linux 13 (trixie)"
    assert facts.throttled == Throttled("vcgencmd", "0x0", (), ())
    assert (facts.temperature_c, facts.cooling) == (48.199, ("pwm-fan",))
    assert facts.frequency == Frequency("cpufreq-dt", ("ondemand",), 2400000, 2400000)
    assert facts.memory == Memory(8000000, 7000000, 2000000, 2000000, zram=True)
    assert facts.clock == Clock(NOW, None, synchronised=True)
    assert (facts.load, facts.pressure, facts.perf_event_paranoid) == (0.08, 1.0, 2)
    assert facts.filesystem == "ext4"


def test_what_cannot_be_read_is_unknown() -> None:
    files: dict[str, Any] = dict.fromkeys(pi5({})["files"])
    facts = facts_of({"files": files, "commands": {"vcgencmd": None, "timedatectl": None}})
    assert facts.throttled is facts.temperature_c is facts.memory is facts.load is facts.pressure is None
    assert facts.distribution is facts.filesystem is facts.perf_event_paranoid is facts.clock.synchronised is None
    assert (facts.cooling, facts.frequency) == ((), Frequency(None, (), None, None))
    assert (facts.kind.kind, facts.cpu.dot_product) == ("host", None)


def test_where_the_firmware_does_not_answer_the_driver_does() -> None:
    hwmon = {"sys/class/hwmon/hwmon2/name": "rpi_volt\n", "sys/class/hwmon/hwmon2/in0_lcrit_alarm": "1\n"}
    facts = facts_of({"files": hwmon, "commands": {"vcgencmd": "VCHI initialization failed\n"}})
    assert facts.throttled == Throttled("hwmon", "0x1", ("under-voltage",), ())


def test_the_host_s_own_firmware_is_never_asked(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text("#!/bin/sh\necho throttled=0x50005\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert facts_of({"commands": {"vcgencmd": None}}).throttled is None


@pytest.mark.parametrize(
    ("time", "offset"), [(NOW, 0.0), (NOW - 1, 0.0), (NOW - 62, -60.0), (NOW + 120, 120.0), (0.0, -NOW + 2)]
)
def test_the_clock_is_compared_with_the_time_in_which_it_was_read(time: float, offset: float) -> None:
    assert facts_of({"time": time}, (NOW - 2, NOW)).clock.offset_s == offset


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("/dev/a / ext4 rw 0 0\n/dev/b /home vfat rw 0 0\n", "vfat"),
        ("/dev/a / ext4 rw 0 0\n/dev/b /home/pi/edge vfat rw 0 0\n", "ext4"),
        ("/dev/a / ext4 rw 0 0\noverlay / overlay rw 0 0\n", "overlay"),
        ("rubbish\n", None),
    ],
)
def test_the_nearest_file_system_counts(mounts: str, expected: str | None) -> None:
    assert facts_of({"files": {"proc/mounts": mounts}}).filesystem == expected


def test_a_frequency_with_nonsense_is_skipped() -> None:
    files = {f"{CPUFREQ}/scaling_max_freq": "<unknown>\n", "sys/devices/system/cpu/cpu1/cpufreq/scaling_max_freq": "9"}
    assert facts_of({"files": files}).frequency.limit_khz == 9


def test_a_pi_4_without_device_tree() -> None:
    files = {"proc/cpuinfo": PI4_CPUINFO, "proc/device-tree/model": None, "proc/device-tree/serial-number": None}
    facts = facts_of({"files": files})
    assert (facts.kind.model, facts.cpu.model) == ("Raspberry Pi 4 Model B Rev 1.5", "Cortex-A72")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "proc/../../x", "a\0b"])
def test_a_device_cannot_choose_where_its_files_are_laid_out(name: str) -> None:
    with pytest.raises(DeviceError, match="no path below a root"):
        read_answer(pi5({"files": {name: "x"}}), "pi")


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"cores": "many"}, "cores"), ({"python": {"version": [3, 11]}}, "python.version"), ({"place": []}, "place")],
)
def test_an_answer_that_makes_no_sense_names_the_device_and_the_field(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(DeviceError, match=word) as caught:
        read_answer(pi5(changes), "pi@there")
    assert caught.value.where == "pi@there"
