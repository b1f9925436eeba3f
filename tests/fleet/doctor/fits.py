"""For each check of an artifact, artifacts and devices on which it gives each of its statuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgeguard.fleet.doctor import fit
from edgeguard.fleet.doctor.line import Status
from edgeguard.fleet.doctor.registry import ArtifactCheck
from edgeguard.manifest import Manifest
from tests.bench.machines import PI4_CPUINFO, X86_CPUINFO, ZEN5_CPUINFO
from tests.fleet.doctor.devices import MIB, imports, manifest_of

__all__ = ["FITS", "Fit"]


@dataclass(frozen=True)
class Fit:
    """An artifact on a healthy Pi 5 after ``changes``."""

    check: ArtifactCheck
    status: Status
    words: tuple[str, ...]
    manifest: Manifest
    changes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.check.__name__}: {self.status}, {self.manifest.target}, {self.words[0]}"


def _x86(cpuinfo: str) -> dict[str, Any]:
    return {"machine": "x86_64", "files": {"proc/cpuinfo": cpuinfo, "proc/device-tree/model": None}}


def _onnxruntime(version: str | None) -> dict[str, Any]:
    status = "missing" if version is None else "imported"
    return {"interpreter": {"imports": imports({"onnxruntime": {"status": status, "version": version}})}}


def _memory(total: int, available: int) -> dict[str, Any]:
    text = f"MemTotal: {total << 10} kB\nMemAvailable: {available << 10} kB\n"
    return {"files": {"proc/meminfo": text}}


_PI4 = {"files": {"proc/cpuinfo": PI4_CPUINFO}}
_AVX2, _VNNI = _x86(X86_CPUINFO), _x86(ZEN5_CPUINFO)
_32 = {"python": {"bits": 32}}
_OLD_LITERT: dict[str, str | None] = {"status": "imported", "version": "2.14.0"}
_NO_LITERT: dict[str, dict[str, str | None]] = {"ai-edge-litert": {"status": "missing", "version": None}}
_TFLITE_RUNTIME = imports({"tflite-runtime": _OLD_LITERT})
_FLOAT = manifest_of("arm64", quantized=False)
_REDUCED = manifest_of("x86-64", reduce_range=True)

FITS = (
    Fit(fit.target, "ok", ("made for arm64; this is Cortex-A76",), manifest_of("arm64")),
    Fit(fit.target, "ok", ("made for rpi5",), manifest_of("rpi5")),
    Fit(fit.target, "ok", ("made for rpi4",), manifest_of("rpi4"), _PI4),
    Fit(fit.target, "ok", ("made for arm64; this is AMD",), manifest_of("arm64"), _VNNI),
    Fit(fit.target, "ok", ("made for x86-64-vnni",), manifest_of("x86-64-vnni"), _VNNI),
    Fit(fit.target, "ok", ("made for x86-64",), _REDUCED, _AVX2),
    Fit(fit.target, "warning", ("Cortex-A72 without dot-product", "--target rpi4"), manifest_of("rpi5"), _PI4),
    Fit(fit.target, "warning", ("not what the target is tuned for", "--target rpi5"), manifest_of("rpi4")),
    Fit(fit.target, "warning", ("nothing was measured there", "--target rpi5"), _REDUCED),
    Fit(fit.target, "warning", ("nothing was measured there", "--target x86-64"), manifest_of("rpi4"), _VNNI),
    Fit(fit.target, "warning", ("7-bit weights", "--target x86-64-vnni"), _REDUCED, _VNNI),
    Fit(fit.target, "warning", ("nothing was measured",), _FLOAT, _AVX2),
    Fit(fit.target, "warning", ("nothing was measured",), manifest_of("arm64", kind="tflite"), _AVX2),
    Fit(fit.target, "warning", ("does not know that target",), manifest_of("rpi6")),
    Fit(fit.target, "warning", ("slower way", "--target x86-64"), manifest_of("arm64"), _AVX2),
    Fit(fit.target, "warning", ("slower way", "--target x86-64"), manifest_of("x86-64-vnni"), _AVX2),
    Fit(fit.word_size, "ok", ("onnx",), manifest_of()),
    Fit(fit.word_size, "problem", ("onnx, on a 32-bit", "64-bit Raspberry Pi OS"), manifest_of(), _32),
    Fit(fit.word_size, "problem", ("tflite, on a 32-bit",), manifest_of(kind="tflite"), _32),
    Fit(
        fit.word_size,
        "warning",
        ("tflite-runtime",),
        manifest_of(kind="tflite"),
        {**_32, "interpreter": {"imports": _TFLITE_RUNTIME}},
    ),
    Fit(fit.engine, "ok", ("1.32.0, at least 1.17",), manifest_of()),
    Fit(fit.engine, "ok", ("1.17.0, at least 1.17",), manifest_of(), _onnxruntime("1.17.0")),
    Fit(fit.engine, "ok", ("ai-edge-litert 2.3.0",), manifest_of(kind="tflite")),
    Fit(
        fit.engine,
        "ok",
        ("tflite-runtime 2.14.0",),
        manifest_of(kind="tflite"),
        {"interpreter": {"imports": imports({**_NO_LITERT, "tflite-runtime": _OLD_LITERT})}},
    ),
    Fit(
        fit.engine,
        "warning",
        ("none was imported", "deploy", "ai-edge-litert"),
        manifest_of(kind="tflite"),
        {"interpreter": {"imports": imports(_NO_LITERT)}},
    ),
    Fit(
        fit.engine, "problem", ("1.9.0 is older than 1.17", "'onnxruntime>=1.17'"), manifest_of(), _onnxruntime("1.9.0")
    ),
    Fit(fit.engine, "warning", ("none was imported", "deploy"), manifest_of(), _onnxruntime(None)),
    Fit(fit.room, "ok", ("takes 1 MiB, 20 GiB are free",), manifest_of()),
    Fit(fit.room, "warning", ("next version",), manifest_of(size=60 * MIB), {"place": {"free": 100 * MIB}}),
    Fit(fit.room, "problem", ("takes 60 MiB, 5 MiB",), manifest_of(size=60 * MIB), {"place": {"free": 5 * MIB}}),
    Fit(fit.working_memory, "ok", ("about 100 MiB for a model of 1 MiB",), manifest_of()),
    Fit(fit.working_memory, "warning", ("136 MiB", "Stop other"), manifest_of(size=10 * MIB), _memory(426, 120)),
    Fit(
        fit.working_memory, "problem", ("496 MiB", "426 MiB with swap"), manifest_of(size=100 * MIB), _memory(426, 400)
    ),
    Fit(fit.working_memory, "warning", ("unknown",), manifest_of(), {"files": {"proc/meminfo": None}}),
)
