"""Who takes part, and with which settings."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OURS", "PEERS", "REFERENCE_SETTINGS", "Peer"]


@dataclass(frozen=True)
class Peer:
    """A quantizer.

    :param module: its file in :mod:`benchmarks.int8.peers`.
    :param packages: what its environment needs; empty for ours.
    :param settings: in the order of the table.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    settings: tuple[str, ...]


OURS = "edgeguard"
# What the accuracy of every other row is compared with.
REFERENCE_SETTINGS = "balanced"
_RUNTIME = ("onnx", "onnxruntime")
PEERS = (
    Peer(OURS, "ours", (), ("fast", "balanced", "best")),
    Peer("onnxruntime", "onnxruntime_static", ("sympy", *_RUNTIME), ("default", "recommended", "percentile")),
    Peer("nncf", "nncf_ptq", ("nncf", *_RUNTIME), ("default", "recommended", "min-max", "min-max-fast")),
    Peer(
        "amd-quark",
        "quark_onnx",
        ("torch", "amd-quark", *_RUNTIME),
        ("default", "recommended", "per-channel", "per-channel-adaround"),
    ),
    Peer("aimet-onnx", "aimet", ("torch", "aimet-onnx", *_RUNTIME), ("default", "sqnr", "adaround")),
    Peer(
        "brevitas",
        "brevitas_ptq",
        ("torch", "torchvision", "brevitas", "tqdm", "onnxoptimizer", *_RUNTIME),
        ("default", "recommended"),
    ),
)
