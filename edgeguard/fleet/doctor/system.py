"""Checks of what the machine is: operating system, word size, C library, board, CPU."""

from __future__ import annotations

from edgeguard.fleet.doctor.facts import Facts
from edgeguard.fleet.doctor.line import Line, ok, problem, warning

__all__ = ["SIXTY_FOUR", "c_library", "device", "operating_system", "processor", "userland"]

# Machines for which the wheels of the engines are built.
SIXTY_FOUR = ("aarch64", "arm64", "x86_64")
# onnxruntime 1.32 and numpy 2: manylinux_2_28.
_GLIBC = (2, 28)
_FLASH = "Flash the 64-bit Raspberry Pi OS with Raspberry Pi Imager"
# 64-bit cores that may run a 32-bit kernel.
_CAPABLE = ("0x41:0xd03", "0x41:0xd04", "0x41:0xd08", "0x41:0xd0b")


def operating_system(facts: Facts) -> Line:
    """Linux, and which."""
    answer = facts.answer
    if answer.system != "Linux":
        return problem("system", f"{answer.system} {answer.kernel}, not Linux", _FLASH)
    return ok("system", f"{facts.distribution or 'Linux without a name'}, kernel {answer.kernel}")


def userland(facts: Facts) -> Line:
    """64-bit programs: there are no 32-bit wheels of onnxruntime, whatever the kernel is."""
    bits, machine = facts.answer.python.bits, facts.answer.machine
    if bits == 64 and machine in SIXTY_FOUR:
        return ok("userland", f"64-bit, {machine}")
    if bits == 64:
        return problem("userland", f"64-bit, but there are no wheels of onnxruntime for {machine}", _FLASH)
    if machine in SIXTY_FOUR:
        detail = f"32-bit programs on a 64-bit kernel ({machine}); onnxruntime exists for 64-bit only"
        return problem("userland", detail, f"{_FLASH}: this board can run it")
    detail = f"32-bit, {machine}; onnxruntime exists for 64-bit only"
    if facts.cpu.part in _CAPABLE:
        return problem("userland", detail, f"{_FLASH}: this board can run it")
    return problem("userland", detail, "Take a Raspberry Pi 3, 4, 5 or Zero 2 W, and the 64-bit Raspberry Pi OS")


def c_library(facts: Facts) -> Line:
    """A glibc as old as the wheels ask for, or newer."""
    name, version = facts.answer.libc.name, facts.answer.libc.version
    if name == "musl":
        return problem("libc", "musl, for which there are no wheels of onnxruntime", f"{_FLASH}, or Debian 12 or later")
    parts = (version or "").split(".")
    if name != "glibc" or len(parts) < 2 or not all(part.isdecimal() for part in parts[:2]):
        return warning("libc", "unknown; the wheels need glibc 2.28", "See what `ldd --version` says there")
    if (int(parts[0]), int(parts[1])) < _GLIBC:
        return problem("libc", f"glibc {version}; the wheels need 2.28", f"{_FLASH}, or Debian 12 or later")
    return ok("libc", f"glibc {version}")


def device(facts: Facts) -> Line:
    """A board, a host, or something that only pretends to be one."""
    kind = facts.kind
    if kind.kind == "emulated":
        detail = f"emulated: {kind.evidence}; its times mean nothing"
        return warning("device", detail, "Measure latency on a board; here, count instructions")
    return ok("device", kind.model or "a host, no board")


def processor(facts: Facts) -> Line:
    """The CPU, and whether int8 is fast on it."""
    cpu, cores = facts.cpu, facts.answer.cores
    name = cpu.model or cpu.part or facts.answer.machine
    count = f"{cores} core{'s' if cores > 1 else ''}"
    if cpu.dot_product is None:
        return warning("cpu", f"{name}, {count}, features unknown", "See what `lscpu` says there about its flags")
    if cpu.dot_product:
        return ok("cpu", f"{name}, {count}, with dot-product instructions")
    return ok("cpu", f"{name}, {count}, without dot-product instructions: int8 gains less than on a Raspberry Pi 5")
