"""The /proc and /sys of machines that a test can stand on."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PI4_CPUINFO", "PI5_CPUINFO", "QEMU_VIRT_CPUINFO", "X86_CPUINFO", "ZEN5_CPUINFO", "put"]

_ARM = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x{variant}
CPU part\t: {part}
CPU revision\t: {revision}

processor\t: 1
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x{variant}
CPU part\t: {part}
CPU revision\t: {revision}
"""
_END = """
Revision\t: {revision}
Serial\t\t: {serial}
Model\t\t: {model}
"""

PI4_CPUINFO = _ARM.format(features="fp asimd evtstrm crc32 cpuid", variant=0, part="0xd08", revision=3) + _END.format(
    revision="c03115", serial="10000000abcdef12", model="Raspberry Pi 4 Model B Rev 1.5"
)
PI5_CPUINFO = _ARM.format(
    features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    variant=4,
    part="0xd0b",
    revision=1,
) + _END.format(revision="d04171", serial="2a5a8f31f0c1b2d3", model="Raspberry Pi 5 Model B Rev 1.1")
QEMU_VIRT_CPUINFO = _ARM.format(
    features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    variant=4,
    part="0xd0b",
    revision=1,
)
X86_CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz
flags\t\t: fpu sse sse2 sse4_1 fma avx avx2
"""
ZEN5_CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC
flags\t\t: fpu sse sse2 hypervisor sse4_1 fma avx avx2 avx512f avx_vnni avx512_vnni
"""


def put(root: Path, files: dict[str, str]) -> Path:
    """Write files below ``root``, and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
