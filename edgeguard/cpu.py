"""Which CPU it is, and whether it has the dot-product instructions that make int8 fast (onnxruntime#20052)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeguard.small_files import read_text

__all__ = ["CpuFacts", "parse_cpuinfo", "this_cpu"]

# Features that decide which kernels an inference engine takes.
_TOLD = (
    *("asimd", "neon", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2", "sme"),
    *("sse4_1", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
)
_DOT_PRODUCT = {"arm": ("asimddp", "i8mm"), "x86": ("avx512_vnni", "avx_vnni", "amx_int8")}
# "CPU part" of implementer 0x41 (Arm), as in the MIDR register; those that stand on a Raspberry Pi or near it.
_PARTS = {
    0xB76: "ARM1176",
    0xC07: "Cortex-A7",
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD08: "Cortex-A72",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD40: "Neoverse-V1",
    0xD49: "Neoverse-N2",
    0xD4F: "Neoverse-V2",
}


@dataclass(frozen=True, slots=True)
class CpuFacts:
    """The CPU as ``/proc/cpuinfo`` shows it.

    :param model: its name: on x86 the vendor's, on Arm the core's.
    :param part: ``CPU implementer`` and ``CPU part`` on Arm, for example ``0x41:0xd0b``.
    :param features: those of its features that matter to inference engines.
    :param dot_product: whether it multiplies and adds int8 in one instruction; ``None`` if unknown.
    """

    model: str | None
    part: str | None
    features: tuple[str, ...]
    dot_product: bool | None


def parse_cpuinfo(text: str) -> CpuFacts:
    """The facts from the text of ``/proc/cpuinfo``."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    features = set((fields.get("flags") or fields.get("Features") or "").split())
    implementer, part = fields.get("CPU implementer"), fields.get("CPU part")
    model = fields.get("model name")
    if implementer is not None and part is not None:
        if implementer == "0x41":
            model = _PARTS.get(int(part, 16), model)
        identity, family = f"{implementer}:{part}", "arm"
    else:
        identity, family = None, "x86"
    return CpuFacts(
        model=model,
        part=identity,
        features=tuple(name for name in _TOLD if name in features),
        dot_product=any(name in features for name in _DOT_PRODUCT[family]) if features else None,
    )


def this_cpu() -> CpuFacts:
    """The CPU of this machine; where its system tells nothing, nothing is known of it."""
    return parse_cpuinfo(read_text(Path("/proc/cpuinfo")) or "")
