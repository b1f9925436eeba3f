"""Facts and states read from a machine's files."""

from __future__ import annotations

import os
from pathlib import Path

from edgeguard.bench.device_facts import read_device
from edgeguard.bench.host_state import parse_pressure, read_state
from edgeguard.bench.window import highest_frequency
from tests.bench.machines import PI4_CPUINFO, ZEN5_CPUINFO, put

CPUS = "sys/devices/system/cpu"
PI = {
    "proc/cpuinfo": PI4_CPUINFO,
    "proc/swaps": "Filename Type Size Used Priority\n/dev/zram0 partition 2097148 0 100\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n',
    f"{CPUS}/cpu0/cpufreq/scaling_cur_freq": "600000\n",
    f"{CPUS}/cpu0/cpufreq/scaling_min_freq": "600000\n",
    f"{CPUS}/cpu0/cpufreq/scaling_max_freq": "1800000\n",
    f"{CPUS}/cpu0/cpufreq/scaling_governor": "ondemand\n",
    f"{CPUS}/cpu1/cpufreq/scaling_cur_freq": "1800000\n",
    f"{CPUS}/cpu1/cpufreq/scaling_governor": "ondemand\n",
    "sys/class/thermal/thermal_zone0/temp": "48199\n",
    "proc/pressure/cpu": "some avg10=1.53 avg60=0.87 avg300=0.50 total=1\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 total=0\nfull avg10=9.00 avg60=0.00 total=0\n",
}


def test_the_state_of_a_pi(tmp_path: Path) -> None:
    state = read_state(put(tmp_path, PI))
    assert state.governor == ("ondemand",)
    assert state.frequency_khz == (600000, 1800000)
    assert state.temperature_c == 48.199
    assert state.pressure == {"cpu": 1.53, "memory": 0.0}
    assert highest_frequency(tmp_path) == 1800000


def test_the_facts_of_a_pi(tmp_path: Path) -> None:
    facts = read_device("a board", put(tmp_path, PI))
    assert facts.system == "Debian GNU/Linux 13 (trixie)"
    assert (facts.frequency_min_khz, facts.frequency_max_khz) == (600000, 1800000)
    assert (facts.zram, facts.virtual, facts.model) == (True, None, "a board")
    assert facts.cpu.model == "Cortex-A72"
    assert facts.affinity == tuple(sorted(os.sched_getaffinity(0)))


def test_a_virtual_machine_shows_itself(tmp_path: Path) -> None:
    assert read_device(None, put(tmp_path, {"proc/cpuinfo": ZEN5_CPUINFO})).virtual is True
    without = ZEN5_CPUINFO.replace(" hypervisor", "")
    assert read_device(None, put(tmp_path, {"proc/cpuinfo": without})).virtual is False


def test_unreadable_is_not_zero(tmp_path: Path) -> None:
    state = read_state(tmp_path)
    assert (state.governor, state.frequency_khz, state.temperature_c, state.pressure) == ((), (), None, {})
    assert highest_frequency(tmp_path) is None


def test_a_frequency_file_with_nonsense_is_skipped(tmp_path: Path) -> None:
    put(tmp_path, {**PI, f"{CPUS}/cpu1/cpufreq/scaling_cur_freq": "<unknown>\n"})
    assert read_state(tmp_path).frequency_khz == (600000,)
    assert highest_frequency(tmp_path) == 600000


def test_pressure() -> None:
    assert parse_pressure("full avg10=7.00 avg60=0\n") is None
    assert parse_pressure("some avg10=12.30 avg60=0\n") == 12.3
