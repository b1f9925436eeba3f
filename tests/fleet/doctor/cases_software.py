"""For each check of the system and of what can be imported: devices on which it gives each of its statuses."""

from __future__ import annotations

from typing import Any

from edgeguard.fleet.doctor import engines, system
from tests.bench.machines import PI4_CPUINFO, QEMU_VIRT_CPUINFO
from tests.fleet.doctor.case import HOST, NOTHING_YET, Case, with_files
from tests.fleet.doctor.devices import PYTHON, imports

__all__ = ["SOFTWARE"]

_32 = {"python": {"bits": 32, "platform": "linux-armv7l"}}
_ARM1176 = "CPU implementer : 0x41\nCPU part : 0xb76\nFeatures : half thumb vfp\n"
_DEAD = {"interpreter": {"failure": "No such file or directory", "version": None, "bits": None, "imports": []}}


def _engine(name: str, status: str, detail: str | None = None) -> dict[str, Any]:
    entry = {name: {"status": status, "version": None, "detail": detail}}
    return {"interpreter": {"imports": imports(entry)}}


def _elsewhere(origin: str, path: str, detail: str) -> dict[str, Any]:
    failed = imports({"onnxruntime": {"status": "failed", "version": None, "detail": detail}})
    return {"interpreter": {"origin": origin, "path": path, "packages": {"pip": "25.0"}, "imports": failed}}


def _not_deployed(name: str) -> dict[str, Any]:
    missing = imports({name: {"status": "missing", "version": None}})
    return {"interpreter": {"origin": "own", "path": "/usr/bin/python3", "imports": missing}}


_SYSTEM = (
    Case(system.operating_system, "ok", ("trixie", "6.12.47")),
    Case(system.operating_system, "problem", ("Darwin", "Raspberry Pi OS"), {"system": "Darwin"}),
    Case(system.userland, "ok", ("64-bit, aarch64",)),
    Case(system.userland, "problem", ("32-bit programs on a 64-bit kernel", "this board can run it"), _32),
    Case(system.userland, "problem", ("32-bit, armv7l", "this board can run it"), {**_32, "machine": "armv7l"}),
    Case(
        system.userland,
        "problem",
        ("32-bit, armv6l", "Raspberry Pi 3, 4, 5 or Zero 2 W"),
        {**_32, "machine": "armv6l", **with_files({"proc/cpuinfo": _ARM1176})},
    ),
    Case(system.userland, "problem", ("no wheels of onnxruntime for riscv64",), {"machine": "riscv64"}),
    Case(system.c_library, "ok", ("glibc 2.28",), {"libc": {"name": "glibc", "version": "2.28"}}),
    Case(system.c_library, "problem", ("glibc 2.27", "Debian 12"), {"libc": {"version": "2.27"}}),
    Case(system.c_library, "problem", ("musl",), {"libc": {"name": "musl", "version": None}}),
    Case(system.c_library, "warning", ("unknown", "ldd"), {"libc": {"name": None, "version": None}}),
    Case(system.device, "ok", ("Raspberry Pi 5",)),
    Case(system.device, "ok", ("no board",), {"machine": "x86_64", **with_files(HOST)}),
    Case(
        system.device,
        "warning",
        ("emulated", "times mean nothing", "count instructions"),
        with_files({"proc/cpuinfo": QEMU_VIRT_CPUINFO, "proc/device-tree/model": "linux,dummy-virt"}),
    ),
    Case(system.processor, "ok", ("Cortex-A76, 4 cores, with dot-product",)),
    Case(
        system.processor, "ok", ("Cortex-A72, 4 cores, without dot-product",), with_files({"proc/cpuinfo": PI4_CPUINFO})
    ),
    Case(system.processor, "warning", ("features unknown", "lscpu"), with_files({"proc/cpuinfo": None})),
)

_ENGINES = (
    Case(engines.python, "ok", ("Python 3.11.0",), {"python": {"version": [3, 11, 0]}}),
    Case(engines.python, "problem", ("Python 3.9.2", "Bookworm"), {"python": {"version": [3, 9, 2]}}),
    Case(engines.venv, "ok", ("can be made",), {"python": {"ensurepip": False}}),
    Case(engines.venv, "problem", ("lacks venv", "apt install python3-venv"), {"python": {"venv": False}}),
    Case(engines.environment, "ok", (PYTHON, "deployed")),
    Case(engines.environment, "ok", ("nothing deployed yet",), NOTHING_YET),
    Case(
        engines.environment,
        "ok",
        ("not deployed",),
        {"interpreter": {"origin": "named", "packages": {"torch": "2.13.0", "onnx": "1.23.2"}}},
    ),
    Case(
        engines.environment,
        "warning",
        ("onnx, torch take room", "uninstall -y onnx torch"),
        {"interpreter": {"packages": {"pip": "25.0", "torch": "2.13.0", "onnx": "1.23.2"}}},
    ),
    Case(engines.environment, "problem", ("does not start: No such file", "edgeguard deploy"), _DEAD),
    Case(
        engines.environment,
        "problem",
        ("does not start: exit code 1", "Name a Python"),
        {"interpreter": {"origin": "named", "failure": "exit code 1", "imports": []}},
    ),
    *(
        case
        for check, name in ((engines.numpy, "numpy"), (engines.onnxruntime, "onnxruntime"))
        for case in (
            Case(check, "ok", (".",)),
            Case(check, "warning", ("unknown", "Mend the environment"), _DEAD),
            Case(check, "warning", ("not there yet", f"it brings {name}"), _not_deployed(name)),
            Case(
                check,
                "problem",
                ("missing in the environment", "rm /home/pi/edgeguard/env/current/.complete"),
                _engine(name, "missing"),
            ),
            Case(check, "problem", ("does not end", f"import {name}"), _engine(name, "hangs", "the time was up")),
            Case(check, "problem", ("ends in SIGKILL", "dmesg"), _engine(name, "killed", "SIGKILL")),
            Case(check, "problem", ("ends in SIGSEGV", "env/current/.complete"), _engine(name, "killed", "SIGSEGV")),
            Case(
                check,
                "problem",
                ("GLIBC_2.99' not found", "Bookworm"),
                _engine(name, "failed", "ImportError: libc.so.6: version `GLIBC_2.99' not found"),
            ),
        )
    ),
    Case(
        engines.onnxruntime,
        "problem",
        ("numpy.core.multiarray", "/opt/x/bin/python -m pip install --upgrade numpy onnxruntime"),
        _elsewhere("named", "/opt/x/bin/python", "ImportError: numpy.core.multiarray failed to import"),
    ),
    Case(
        engines.onnxruntime,
        "problem",
        ("no luck", "/opt/x/bin/python -m pip install --force-reinstall"),
        _elsewhere("named", "/opt/x/bin/python", "ImportError: no luck"),
    ),
    Case(
        engines.onnxruntime,
        "problem",
        ("no luck", "an environment of its own"),
        _elsewhere("own", "/usr/bin/python3", "ImportError: no luck"),
    ),
    Case(
        engines.onnxruntime,
        "problem",
        ("SIGILL", "newer CPU than Cortex-A76", "#23957", "'onnxruntime<1.32.0'"),
        _engine("onnxruntime", "killed", "SIGILL"),
    ),
    Case(
        engines.onnxruntime,
        "problem",
        ("onnxruntime 1.21.0 ends in SIGILL", "--upgrade 'onnxruntime>=1.22'"),
        {
            "interpreter": {
                "packages": {"onnxruntime": "1.21.0", "pip": "25.0"},
                "imports": imports({"onnxruntime": {"status": "killed", "detail": "SIGILL"}}),
            }
        },
    ),
    Case(engines.numpy, "problem", ("SIGILL", "'numpy<2.4.6'"), _engine("numpy", "killed", "SIGILL")),
    Case(engines.litert, "ok", ("ai-edge-litert 2.3.0",)),
    Case(engines.litert, "ok", ("only .tflite",), _engine("ai-edge-litert", "missing")),
    Case(engines.litert, "ok", ("only .tflite",), _DEAD),
    Case(
        engines.litert,
        "ok",
        ("tflite-runtime 2.14.0",),
        {
            "interpreter": {
                "imports": imports(
                    {
                        "ai-edge-litert": {"status": "missing"},
                        "tflite-runtime": {"status": "imported", "version": "2.14.0"},
                    }
                )
            }
        },
    ),
    Case(
        engines.litert,
        "warning",
        ("ai-edge-litert ends in SIGILL", "pip install --upgrade ai-edge-litert"),
        _engine("ai-edge-litert", "killed", "SIGILL"),
    ),
    Case(engines.edgeguard, "ok", (".",)),
    Case(
        engines.edgeguard,
        "warning",
        ("0.0.1 there", "deploy"),
        {"interpreter": {"imports": imports({"edgeguard": {"version": "0.0.1"}})}},
    ),
    Case(engines.edgeguard, "warning", ("not there yet",), _not_deployed("edgeguard")),
    Case(engines.edgeguard, "problem", ("missing in the environment",), _engine("edgeguard", "missing")),
)

SOFTWARE = (*_SYSTEM, *_ENGINES)
