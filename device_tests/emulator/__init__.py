"""An arm64 device in QEMU, as good as a Raspberry Pi for everything but time.

Debian's arm64 packages are unpacked onto a disk (no root, no network but the package archive) and booted with a kernel
of their own. Its clock counts instructions, so what is measured on it repeats; what is measured is no latency.
"""

from __future__ import annotations

from device_tests.emulator.image import Image, build
from device_tests.emulator.machine import Machine, start
from device_tests.emulator.qemu import CORES
from device_tests.emulator.service import Running, running_machine
from device_tests.emulator.tools import missing_tools

__all__ = ["CORES", "Image", "Machine", "Running", "build", "missing_tools", "running_machine", "start"]
