"""Boards, hosts, and what only pretends to be a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.bench.device_kind import device_kind
from tests.bench.machines import PI4_CPUINFO, PI5_CPUINFO, QEMU_VIRT_CPUINFO, X86_CPUINFO, ZEN5_CPUINFO, put

CLOCKS = "sys/devices/system/clocksource/clocksource0/available_clocksource"
DMI = "sys/class/dmi/id"
CPUINFO = "proc/cpuinfo"
MODEL = "proc/device-tree/model"
SERIAL = "proc/device-tree/serial-number"


def test_a_pi_is_a_board(tmp_path: Path) -> None:
    files = {
        CPUINFO: PI5_CPUINFO,
        MODEL: "Raspberry Pi 5 Model B Rev 1.1\0",
        SERIAL: "2a5a8f31f0c1b2d3\0",
        "proc/sys/kernel/arch": "aarch64\n",
    }
    found = device_kind(put(tmp_path, files), "aarch64")
    assert (found.kind, found.model) == ("board", "Raspberry Pi 5 Model B Rev 1.1")


def test_a_pi_in_a_container_without_device_tree_is_still_one(tmp_path: Path) -> None:
    found = device_kind(put(tmp_path, {CPUINFO: PI4_CPUINFO}), "aarch64")
    assert (found.kind, found.model) == ("board", "Raspberry Pi 4 Model B Rev 1.5")


def test_32_bit_programs_on_a_64_bit_pi_are_not_emulated(tmp_path: Path) -> None:
    files = {CPUINFO: PI4_CPUINFO, "proc/sys/kernel/arch": "aarch64"}
    assert device_kind(put(tmp_path, files), "armv7l").kind == "board"


@pytest.mark.parametrize("cpuinfo", [X86_CPUINFO, ZEN5_CPUINFO])
def test_a_computer_and_a_virtual_machine_with_kvm_are_hosts(tmp_path: Path, cpuinfo: str) -> None:
    files = {CPUINFO: cpuinfo, f"{DMI}/sys_vendor": "QEMU", CLOCKS: "kvm-clock tsc", "proc/sys/kernel/arch": "x86_64"}
    assert device_kind(put(tmp_path, files), "x86_64").kind == "host"


EMULATED: dict[str, tuple[str, dict[str, str], str]] = {
    "virt": ("aarch64", {CPUINFO: QEMU_VIRT_CPUINFO, MODEL: "linux,dummy-virt"}, "virt"),
    "virt with firmware": ("aarch64", {CPUINFO: QEMU_VIRT_CPUINFO, f"{DMI}/sys_vendor": "QEMU"}, "QEMU"),
    "raspi3b": ("aarch64", {CPUINFO: QEMU_VIRT_CPUINFO, MODEL: "Raspberry Pi 3 Model B"}, "serial number"),
    "raspi4b": (
        "aarch64",
        {CPUINFO: QEMU_VIRT_CPUINFO, MODEL: "Raspberry Pi 4 Model B", SERIAL: "0000000000000000"},
        "serial number",
    ),
    "x86 without kvm": ("x86_64", {CPUINFO: X86_CPUINFO, f"{DMI}/sys_vendor": "QEMU", CLOCKS: "tsc hpet"}, "KVM"),
    "x86 tcg": ("x86_64", {CPUINFO: "model name: QEMU TCG CPU version 2.5+"}, "TCG"),
    "qemu-user, host's cpuinfo": ("aarch64", {CPUINFO: X86_CPUINFO}, "GenuineIntel"),
    "qemu-user, faked cpuinfo": (
        "aarch64",
        {CPUINFO: QEMU_VIRT_CPUINFO, "proc/sys/kernel/arch": "x86_64"},
        "kernel for x86_64",
    ),
    "qemu-user, faked cpuinfo, old kernel": (
        "armv7l",
        {CPUINFO: QEMU_VIRT_CPUINFO, "sys/devices/system/cpu/cpu0/microcode/version": "0x1"},
        "microcode",
    ),
    "qemu-x86_64 on Arm": ("x86_64", {CPUINFO: PI5_CPUINFO}, "Arm CPU"),
}


@pytest.mark.parametrize("name", EMULATED)
def test_emulators(tmp_path: Path, name: str) -> None:
    machine, files, word = EMULATED[name]
    found = device_kind(put(tmp_path, files), machine)
    assert found.kind == "emulated"
    assert word in found.evidence


def test_nothing_readable_is_a_host(tmp_path: Path) -> None:
    assert device_kind(tmp_path, "x86_64").kind == "host"
