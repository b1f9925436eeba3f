"""Device profiles: what an exported file may contain so that a device can run it, and run it fast.

Weights are signed. Activations are unsigned (U8S8) but for Arm CPUs with dot-product instructions, where signed ones
(S8S8) take 6 to 12 % fewer instructions; without them it is the other way round, by 1 to 4 %
(``benchmarks/results/instructions.md``). The profile for any arm64 keeps to U8S8, which is bit-equal between x86-64
with VNNI and arm64, so that one file serves both. ``reduce_range`` is set only where the multiply-add of the CPU
saturates at 16 bits (AVX2 and AVX-512 without VNNI).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeguard.errors import UsageError

__all__ = ["DEFAULT_TARGET", "TARGETS", "Target", "find_target"]

IntegerType = Literal["uint8", "int8"]


@dataclass(frozen=True, slots=True)
class Target:
    """A device profile.

    :param opset: newest ONNX operator set that a file for this device uses.
    :param ir_version: ONNX IR version stamped on the file; ONNX Runtime refuses newer ones than it knows
        (onnxruntime#25932, #20559, #23602).
    :param min_onnxruntime: the oldest ONNX Runtime that reads this opset and IR version.
    :param reduce_range: weights use 7 bits because the CPU's 8-bit multiply-add saturates.
    """

    name: str
    description: str
    activation_type: IntegerType = "uint8"
    weight_type: IntegerType = "int8"
    per_channel: bool = True
    reduce_range: bool = False
    opset: int = 20
    ir_version: int = 9
    min_onnxruntime: str = "1.17"


# Opset 20 with IR 9 is what ONNX 1.15 defines; ONNX Runtime 1.17 is the first to implement it.
TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("rpi3", "Raspberry Pi 3, Cortex-A53, 64-bit OS"),
        Target("rpi4", "Raspberry Pi 4, Cortex-A72, 64-bit OS"),
        Target("rpi5", "Raspberry Pi 5, Cortex-A76 with dot-product instructions", activation_type="int8"),
        Target("rpi-zero2w", "Raspberry Pi Zero 2 W, Cortex-A53, 512 MB, 64-bit OS"),
        Target("arm64", "any 64-bit ARM; the same file also runs on x86-64 with VNNI"),
        Target("x86-64", "x86-64 with AVX2 and without VNNI", reduce_range=True),
        Target("x86-64-vnni", "x86-64 with AVX-VNNI or AVX512-VNNI"),
    )
}
DEFAULT_TARGET = "arm64"


def find_target(name: str) -> Target:
    """The profile called ``name``.

    :raises UsageError: there is none; the message lists those that exist.
    """
    try:
        return TARGETS[name]
    except KeyError:
        raise UsageError(f"there is no target {name!r}", fix=f"Choose one of: {', '.join(TARGETS)}") from None
