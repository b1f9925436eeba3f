"""A board, an ordinary host, or a machine that only exists in an emulator and whose times therefore mean nothing."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeguard.small_files import read_text

__all__ = ["DeviceKind", "Kind", "device_kind"]

Kind = Literal["board", "emulated", "host"]

_ARM = ("aarch64", "arm")
_X86 = ("x86_64", "i386", "i686")


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """The kind of machine, and what speaks for it.

    :param model: what the device tree calls the board, if there is one.
    """

    kind: Kind
    evidence: str
    model: str | None


def device_kind(root: Path = Path("/"), machine: str | None = None) -> DeviceKind:
    """Judge the machine by the files below ``root``.

    Emulators are found by what they cannot fake together. The tests err towards ``emulated``: a latency that is
    withheld does less harm than one that is wrong.

    :param machine: what ``uname -m`` says.
    """
    machine = machine or platform.machine()
    cpuinfo = read_text(root / "proc/cpuinfo") or ""
    model = read_text(root / "proc/device-tree/model") or _field(cpuinfo, "Model")
    for judge in (_user_mode, _full_system, _board_without_firmware):
        evidence = judge(root, machine, cpuinfo, model)
        if evidence is not None:
            return DeviceKind("emulated", evidence, model)
    if model is not None and machine.startswith((*_ARM, "riscv")):
        return DeviceKind("board", f"the device tree says {model!r}", model)
    return DeviceKind("host", "no device tree with a board's name, no sign of an emulator", model)


def _user_mode(root: Path, machine: str, cpuinfo: str, _: str | None) -> str | None:
    """qemu-user translates one program, but the kernel below, and much of /proc and /sys, remain the host's."""
    kernel = read_text(root / "proc/sys/kernel/arch")
    if kernel is not None and _family(kernel) != _family(machine):
        return f"the program runs as {machine} on a kernel for {kernel}"
    vendor = _field(cpuinfo, "vendor_id")
    if machine.startswith(_ARM) and vendor is not None:
        return f"the program runs as {machine} on a CPU by {vendor}"
    if machine in _X86 and _field(cpuinfo, "CPU implementer") is not None:
        return f"the program runs as {machine} on an Arm CPU"
    if machine.startswith(_ARM) and (root / "sys/devices/system/cpu/cpu0/microcode").exists():
        return f"the program runs as {machine} on a CPU with x86 microcode"
    return None


def _full_system(root: Path, machine: str, cpuinfo: str, model: str | None) -> str | None:
    """qemu-system without hardware virtualization."""
    if model == "linux,dummy-virt":
        return "the device tree is that of QEMU's machine 'virt'"
    dmi = " ".join(read_text(root / "sys/class/dmi/id" / name) or "" for name in ("sys_vendor", "product_name"))
    clocks = read_text(root / "sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
    name = _field(cpuinfo, "model name") or ""
    if "TCG" in name:
        return f"the CPU calls itself {name!r}"
    # Where KVM runs the guest on the real CPU, it offers its clock.
    if "QEMU" in dmi and machine in _X86 and "kvm-clock" not in clocks:
        return "QEMU without KVM's clock"
    if "QEMU" in dmi and machine.startswith(_ARM):
        return "QEMU's firmware on Arm, where nothing tells hardware virtualization from emulation"
    return None


def _board_without_firmware(root: Path, _: str, cpuinfo: str, model: str | None) -> str | None:
    """QEMU's machines raspi* take a real board's device tree, but no firmware ever put a serial number into it."""
    if model is None or "Raspberry Pi" not in model:
        return None
    serial = read_text(root / "proc/device-tree/serial-number") or _field(cpuinfo, "Serial")
    if serial is None or set(serial) == {"0"}:
        return f"{model} without the serial number that the firmware of a real one writes"
    return None


def _family(machine: str) -> str:
    if machine.startswith(_ARM):
        return "arm"
    return "x86" if machine in _X86 else machine


def _field(cpuinfo: str, name: str) -> str | None:
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip() or None
    return None
