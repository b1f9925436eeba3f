"""A healthy Raspberry Pi 5 as the probe would describe it, and variations of it."""

from __future__ import annotations

import copy
from typing import Any

from edgeguard import __version__
from edgeguard.defenses.head import Head
from edgeguard.fleet.doctor.answer import read_answer
from edgeguard.fleet.doctor.facts import Facts, read_facts
from edgeguard.manifest import FileFacts, Format, Manifest, ModelFacts, QuantizationFacts, SourceFacts, oldest_reader
from tests.bench.machines import PI5_CPUINFO

__all__ = ["CPUFREQ", "MIB", "NOW", "PYTHON", "facts_of", "imports", "manifest_of", "pi5"]

MIB = 1 << 20
NOW = 1_800_000_000.0
PYTHON = "/home/pi/edgeguard/env/current/bin/python"
CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"

_PI5: dict[str, Any] = {
    "time": NOW,
    "system": "Linux",
    "kernel": "6.12.47+rpt-rpi-2712",
    "machine": "aarch64",
    "user": 1000,
    "cores": 4,
    "libc": {"name": "glibc", "version": "2.41"},
    "python": {
        "executable": "/usr/bin/python3",
        "version": [3, 13, 5],
        "bits": 64,
        "platform": "linux-aarch64",
        "venv": True,
        "ensurepip": True,
    },
    "interpreter": {
        "path": PYTHON,
        "origin": "deployed",
        "version": [3, 13, 5],
        "bits": 64,
        "packages": {"edgeguard": __version__, "numpy": "2.4.6", "onnxruntime": "1.32.0"},
        "failure": None,
        "imports": [
            {"name": "numpy", "status": "imported", "version": "2.4.6", "detail": None},
            {"name": "onnxruntime", "status": "imported", "version": "1.32.0", "detail": None},
            {"name": "ai-edge-litert", "status": "imported", "version": "2.3.0", "detail": None},
            {"name": "tflite-runtime", "status": "missing", "version": None, "detail": "ModuleNotFoundError: No"},
            {"name": "edgeguard", "status": "imported", "version": __version__, "detail": None},
        ],
    },
    "files": {
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n',
        "proc/cpuinfo": PI5_CPUINFO,
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.1\0",
        "proc/device-tree/serial-number": "2a5a8f31f0c1b2d3\0",
        "proc/loadavg": "0.08 0.03 0.01 1/200 4711\n",
        "proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 7000000 kB\nSwapTotal: 2000000 kB\nSwapFree: 2000000 kB\n",
        "proc/mounts": "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\ntmpfs /run tmpfs rw 0 0\n",
        "proc/pressure/cpu": "some avg10=1.00 avg60=0.00 avg300=0.00 total=1\n",
        "proc/swaps": "Filename Type Size Used Priority\n/dev/zram0 partition 2000000 0 100\n",
        "proc/sys/kernel/arch": "aarch64\n",
        "proc/sys/kernel/perf_event_paranoid": "2\n",
        "run/systemd/timesync/synchronized": "",
        "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
        "sys/class/thermal/thermal_zone0/temp": "48199\n",
        f"{CPUFREQ}/scaling_driver": "cpufreq-dt\n",
        f"{CPUFREQ}/scaling_governor": "ondemand\n",
        f"{CPUFREQ}/scaling_max_freq": "2400000\n",
        f"{CPUFREQ}/cpuinfo_max_freq": "2400000\n",
    },
    "commands": {"vcgencmd": "throttled=0x0\n", "timedatectl": "yes\n"},
    "place": {
        "path": "/home/pi/edgeguard",
        "writable": True,
        "read_only": False,
        "free": 20_000 * MIB,
        "total": 30_000 * MIB,
        "inodes_free": 1_800_000,
    },
    "deployed": [{"name": "model", "current": "0123456789abcdef", "previous": None, "intact": True}],
    "processes": [{"pid": 812, "name": "sshd", "cpu": 0.02}],
}


def pi5(changes: dict[str, Any]) -> dict[str, Any]:
    """The answer of a healthy Pi 5, changed: dictionaries are merged, and a file that becomes ``None`` is gone."""
    answer = copy.deepcopy(_PI5)
    for name, value in changes.items():
        if isinstance(value, dict):
            answer[name].update(value)
        else:
            answer[name] = value
    answer["files"] = {name: text for name, text in answer["files"].items() if text is not None}
    return answer


def facts_of(changes: dict[str, Any], asked: tuple[float, float] | None = None) -> Facts:
    """What is known of that Pi 5."""
    return read_facts(read_answer(pi5(changes), "pi"), asked)


def imports(changes: dict[str, dict[str, str | None]]) -> list[dict[str, str | None]]:
    """The imports of that Pi 5, changed for the packages named."""
    found: list[dict[str, str | None]] = copy.deepcopy(_PI5["interpreter"]["imports"])
    for entry in found:
        entry.update(changes.get(str(entry["name"]), {}))
    return found


def manifest_of(
    target: str = "arm64",
    *,
    kind: Format = "onnx",
    size: int = MIB,
    reduce_range: bool = False,
    quantized: bool = True,
    min_onnxruntime: str = "1.17",
) -> Manifest:
    """A manifest of one model file of ``size`` bytes."""
    quantization = QuantizationFacts("uint8", "int8", True, reduce_range, "float", (), 1.0, 0.0, 4 * size, size)
    return Manifest(
        target=target,
        min_onnxruntime=min_onnxruntime if kind == "onnx" else None,
        source=SourceFacts("model.onnx", "0" * 64, "onnx"),
        model=ModelFacts(f"model.{kind}", kind, "image", (3, 16, 16), None, "answer", Head("posterior", 10)),
        preprocess=None,
        labels=(),
        tools={},
        files={f"model.{kind}": FileFacts("0" * 64, size)},
        lab={},
        quantization=quantization if quantized else None,
        min_reader=oldest_reader(kind),
    )
