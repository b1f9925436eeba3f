"""Checks of the device's Python, and of what it can import: each import was tried in a process of its own."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from edgeguard import __version__
from edgeguard.fleet.doctor.answer import Import
from edgeguard.fleet.doctor.facts import Facts
from edgeguard.fleet.doctor.line import Line, ok, problem, warning

__all__ = ["edgeguard", "environment", "litert", "numpy", "onnxruntime", "python", "venv"]

_OLDEST = (3, 11)
# Converters and trainers: a device has no use for them, and little room.
_HEAVY = ("onnx", "tensorflow", "torch")
_DEPLOY = "Deploy: edgeguard deploy ARTIFACT HOST"
# onnxruntime 1.21 used instructions that a Cortex-A53 and -A72 lack; 1.22 asks the CPU first.
_MENDED = (1, 22)


def python(facts: Facts) -> Line:
    """The device's ``python3`` is new enough."""
    version = ".".join(map(str, facts.answer.python.version))
    if facts.answer.python.version < _OLDEST:
        remedy = "Flash Raspberry Pi OS Bookworm or later, or Debian 12 or later: their Python is 3.11 or later"
        return problem("python", f"Python {version}; edgeguard needs 3.11", remedy)
    return ok("python", f"Python {version}, {facts.answer.python.executable}")


def venv(facts: Facts) -> Line:
    """Environments can be made with it. They need no ensurepip: a deployment brings a pip along."""
    if not facts.answer.python.venv:
        return problem("venv", "its Python lacks venv: no environment can be made", "sudo apt install python3-venv")
    return ok("venv", "environments can be made")


def environment(facts: Facts) -> Line:
    """The interpreter starts, and what was deployed holds nothing that a device has no use for."""
    found = facts.answer.interpreter
    if found.failure is not None:
        remedy = f"{_DEPLOY}; it makes a new one" if found.origin == "deployed" else "Name a Python that starts"
        return problem("environment", f"{found.path} does not start: {found.failure}", remedy)
    version = ".".join(map(str, found.version or ()))
    heavy = sorted(set(_HEAVY) & set(found.packages or {}))
    if heavy and found.origin == "deployed":
        remedy = f"{_pip(facts)} uninstall -y {' '.join(heavy)}"
        return warning("environment", f"{', '.join(heavy)} take room, and a device has no use for them", remedy)
    origin = {"deployed": "deployed", "named": "not deployed", "own": "nothing deployed yet"}[found.origin]
    return ok("environment", f"{found.path}, Python {version} ({origin})")


def numpy(facts: Facts) -> Line:
    """numpy can be imported."""
    return _needed(facts, "numpy")


def onnxruntime(facts: Facts) -> Line:
    """onnxruntime can be imported."""
    return _needed(facts, "onnxruntime")


def edgeguard(facts: Facts) -> Line:
    """edgeguard can be imported, and is the version that asks."""
    line = _needed(facts, "edgeguard")
    found = _import(facts, "edgeguard")
    if line.status == "ok" and found is not None and found.version != __version__:
        return warning("edgeguard", f"{found.version} there, {__version__} here", _DEPLOY)
    return line


def litert(facts: Facts) -> Line:
    """An engine for ``.tflite``: of the two, the newer one is preferred. ONNX artifacts need neither."""
    tried = [found for name in ("ai-edge-litert", "tflite-runtime") if (found := _import(facts, name)) is not None]
    for found in tried:
        if found.status == "imported":
            return ok("litert", f"{found.name} {found.version}")
    for found in tried:
        if found.status != "missing":
            return warning("litert", _detail(facts, found), _mend(facts, found))
    return ok("litert", "not there; only .tflite models need it")


def _needed(facts: Facts, name: str) -> Line:
    found = _import(facts, name)
    if found is None:
        return warning(name, "unknown: the environment's Python does not start", "Mend the environment first")
    if found.status == "imported":
        return ok(name, str(found.version))
    if found.status != "missing":
        return problem(name, _detail(facts, found), _mend(facts, found))
    if facts.answer.interpreter.origin == "deployed":
        return problem(name, "missing in the environment that was deployed", _rebuild(facts))
    if facts.answer.interpreter.origin == "own":
        return warning(name, "not there yet", f"{_DEPLOY}; it brings {name}")
    return warning(name, "not there", f"{_pip(facts)} install {name}")


def _import(facts: Facts, name: str) -> Import | None:
    return next((found for found in facts.answer.interpreter.imports if found.name == name), None)


def _detail(facts: Facts, found: Import) -> str:
    named = " ".join(part for part in (found.name, _version(facts, found.name)) if part)
    if found.status == "hangs":
        return f"importing {named} does not end"
    if found.status == "failed":
        return f"importing {named} fails: {found.detail}"
    if found.detail != "SIGILL":
        return f"importing {named} ends in {found.detail}"
    cpu = facts.cpu.model or facts.answer.machine
    seen = " (onnxruntime#23957, #24112, #24512)" if found.name == "onnxruntime" else ""
    return f"importing {named} ends in SIGILL: this build needs a newer CPU than {cpu}{seen}"


def _mend(facts: Facts, found: Import) -> str:
    """What helps against a package that is there and cannot be imported."""
    install = f"{_pip(facts)} install"
    detail = found.detail or ""
    if found.status == "hangs":
        path = shlex.quote(facts.answer.interpreter.path)
        module = found.name.replace("-", "_")
        return f"See where it waits: {path} -X importtime -c 'import {module}'. Is the SD card worn?"
    if detail == "SIGKILL":
        return "See `sudo dmesg` for what killed it: probably too little memory. Stop other programs"
    if "GLIBC" in detail:
        return "Flash Raspberry Pi OS Bookworm or later, or Debian 12 or later: its C library is too old"
    if facts.answer.interpreter.origin == "own":
        # Many systems do not let pip touch the packages of their own Python.
        return f"{_DEPLOY}; it makes an environment of its own"
    if detail == "SIGILL":
        return f"{install} {_other(facts, found.name)}"
    if facts.answer.interpreter.origin == "deployed":
        return _rebuild(facts)
    if "numpy" in detail and found.name != "numpy":
        return f"{install} --upgrade numpy {found.name}"
    return f"{install} --force-reinstall --no-cache-dir {found.name}"


def _rebuild(facts: Facts) -> str:
    """A deployment builds an environment again that lacks its mark; see ``remote/environment.py``."""
    mark = PurePosixPath(facts.answer.interpreter.path).parents[1] / ".complete"
    return f"Have it built again: rm {shlex.quote(str(mark))} there, then edgeguard deploy ARTIFACT HOST"


def _other(facts: Facts, name: str) -> str:
    """Which other build to try: a newer one, or an older one if this was mended once and broke again."""
    version = _version(facts, name) or ""
    parts = version.split(".")[:2]
    mended = len(parts) == 2 and all(part.isdecimal() for part in parts) and tuple(map(int, parts)) >= _MENDED
    if name == "onnxruntime":
        return f"'onnxruntime<{version}'" if mended else "--upgrade 'onnxruntime>=1.22'"
    return f"'{name}<{version}'" if version else f"--upgrade {name}"


def _version(facts: Facts, name: str) -> str | None:
    return (facts.answer.interpreter.packages or {}).get(name)


def _pip(facts: Facts) -> str:
    """How to call the interpreter's pip, which an environment that was deployed lacks at first."""
    found = facts.answer.interpreter
    path = shlex.quote(found.path)
    if found.packages is None or "pip" in found.packages:
        return f"{path} -m pip"
    first = "" if facts.answer.python.ensurepip else "sudo apt install python3-venv && "
    return f"{first}{path} -m ensurepip && {path} -m pip"
