"""ONNX Runtime without its telemetry."""

from __future__ import annotations

import os
from types import ModuleType

__all__ = ["import_onnxruntime"]


def import_onnxruntime() -> ModuleType:
    """The module ``onnxruntime``; whoever imports it for edgeguard does so here.

    From 1.32 on, its Linux wheels report to their maker, and keep an identifier of the device below the user's home
    (onnxruntime#27379). What a device answers is its owner's business. Only this variable prevents both, and only
    before the first import in a process; a user who has set it, to whatever, is obeyed.

    :raises ImportError: it cannot be imported.
    """
    disabled = os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    if disabled == "1":
        # Where others have imported it already, what comes later can still be stopped.
        onnxruntime.disable_telemetry_events()
    module: ModuleType = onnxruntime
    return module
