"""Checks of whether an artifact fits a device."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edgeguard.fleet.doctor.facts import Facts
from edgeguard.fleet.doctor.line import Line, ok, problem, warning
from edgeguard.fleet.doctor.storage import MIB, size
from edgeguard.manifest import Manifest

__all__ = ["NEEDS", "engine", "room", "target", "word_size", "working_memory"]

# What the runtime has resident without a model, and how often a model lies in memory while it is loaded.
_RUNTIME_BYTES = 96 * MIB
_COPIES = 4


@dataclass(frozen=True, slots=True)
class _Needs:
    """What a target's files are made for.

    :param parts: "CPU part" of the cores, or empty for any.
    """

    family: Literal["arm", "x86"]
    parts: tuple[str, ...] = ()
    dot_product: bool | None = None


# One entry for each of edgeguard.targets.TARGETS.
NEEDS: dict[str, _Needs] = {
    "rpi3": _Needs("arm", ("0x41:0xd03",)),
    "rpi4": _Needs("arm", ("0x41:0xd08",)),
    "rpi5": _Needs("arm", ("0x41:0xd0b",), dot_product=True),
    "rpi-zero2w": _Needs("arm", ("0x41:0xd03",)),
    "arm64": _Needs("arm"),
    "x86-64": _Needs("x86", dot_product=False),
    "x86-64-vnni": _Needs("x86", dot_product=True),
}


def target(facts: Facts, manifest: Manifest) -> Line:
    """The CPU is the one that the file was made for, or one that computes the same.

    All targets but ``x86-64`` use all 8 bits of weights: x86 without VNNI must take a slower way then, on which sums do
    not saturate (:func:`edgeguard.runtimes.ort_session.open_session` does). LiteRT knows no such ways.
    """
    needs, cpu = NEEDS.get(manifest.target), facts.cpu
    family = "x86" if facts.answer.machine in ("x86_64", "i686", "i386") else "arm"
    here = cpu.model or facts.answer.machine
    made = f"made for {manifest.target}; this is {here}"
    again = f"Export again with --target {_fitting(facts, family)}"
    if needs is None:
        return warning("target", f"{made}: this edgeguard does not know that target", again)
    reduced = manifest.quantization is None or manifest.quantization.reduce_range
    if family == "x86" and cpu.dot_product is False and not reduced and manifest.model.format == "onnx":
        return warning("target", f"{made}, without VNNI: 8-bit weights take a slower way there", again)
    # "arm64" is made to run on x86 with VNNI, too.
    if family != needs.family and not (manifest.target == "arm64" and cpu.dot_product):
        return warning("target", f"{made}: it runs, but nothing was measured there", again)
    if needs.parts and cpu.part not in needs.parts:
        slower = " without dot-product instructions" if needs.dot_product and cpu.dot_product is False else ""
        return warning("target", f"{made}{slower}: it runs, but is not what the target is tuned for", again)
    if needs.family == "x86" and needs.dot_product is False and cpu.dot_product:
        return warning("target", f"{made}, which has VNNI: 7-bit weights lose accuracy for nothing", again)
    return ok("target", made)


def word_size(facts: Facts, manifest: Manifest) -> Line:
    """Engines for the format exist for this word size."""
    kind = manifest.model.format
    if facts.answer.python.bits == 64:
        return ok("format", f"{kind}, on a 64-bit system")
    if kind == "tflite" and _version(facts, "tflite-runtime") is not None:
        remedy = "Better flash the 64-bit Raspberry Pi OS: ai-edge-litert is several times faster"
        return warning("format", "tflite, on a 32-bit system with tflite-runtime", remedy)
    return problem("format", f"{kind}, on a 32-bit system: no engine", "Flash the 64-bit Raspberry Pi OS")


def engine(facts: Facts, manifest: Manifest) -> Line:
    """The engine that is there reads the file's format and operator set."""
    least, found = manifest.min_onnxruntime, _version(facts, "onnxruntime")
    if least is None:
        return _litert(facts)
    remedy = f"Deploy: edgeguard deploy ARTIFACT HOST; or: pip install --upgrade 'onnxruntime>={least}'"
    if found is None:
        return warning("runtime", f"onnxruntime >= {least} is needed and none was imported", remedy)
    if _numbers(found) < _numbers(least):
        return problem("runtime", f"onnxruntime {found} is older than {least}", remedy)
    return ok("runtime", f"onnxruntime {found}, at least {least}")


def _litert(facts: Facts) -> Line:
    """Of the two engines, the newer one is preferred; either reads all files that we write."""
    for name in ("ai-edge-litert", "tflite-runtime"):
        found = _version(facts, name)
        if found is not None:
            return ok("runtime", f"{name} {found}")
    remedy = "Deploy: edgeguard deploy ARTIFACT HOST; or: pip install ai-edge-litert"
    return warning("runtime", "LiteRT is needed and none was imported", remedy)


def room(facts: Facts, manifest: Manifest) -> Line:
    """Room for the artifact, twice: the version that it replaces stays."""
    taken, free = _size(manifest), facts.answer.place.free
    detail = f"the artifact takes {size(taken)}, {size(free)} are free"
    if free < taken:
        return problem("room", detail, "Make room: sudo apt clean; sudo journalctl --vacuum-size=50M")
    if free < 2 * taken:
        return warning("room", f"{detail}: the next version will not fit", "Make room, or use a larger SD card")
    return ok("room", detail)


def working_memory(facts: Facts, manifest: Manifest) -> Line:
    """Memory for the runtime with this model."""
    if facts.memory is None:
        return warning("model memory", "unknown: /proc/meminfo cannot be read", "See what `free -m` says there")
    model = manifest.files[manifest.model.file].size if manifest.model.file in manifest.files else _size(manifest)
    needed = _RUNTIME_BYTES + _COPIES * model
    total, available = (facts.memory.total + facts.memory.swap_total) << 10, facts.memory.available << 10
    detail = f"about {size(needed)} for a model of {size(model)}, {size(available)} available"
    if total < needed:
        return problem("model memory", f"{detail}, {size(total)} with swap", "Use a board with more memory")
    if available < needed:
        return warning("model memory", detail, "Stop other programs: see `ps aux --sort=-rss | head`")
    return ok("model memory", detail)


def _size(manifest: Manifest) -> int:
    return sum(entry.size for entry in manifest.files.values())


def _fitting(facts: Facts, family: str) -> str:
    """The target for this CPU."""
    if family == "x86":
        return "x86-64-vnni" if facts.cpu.dot_product else "x86-64"
    named = [name for name, needs in NEEDS.items() if facts.cpu.part in needs.parts]
    return named[0] if named else "arm64"


def _version(facts: Facts, name: str) -> str | None:
    found = next((entry for entry in facts.answer.interpreter.imports if entry.name == name), None)
    return found.version if found is not None and found.status == "imported" else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
