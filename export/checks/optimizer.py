"""Graph optimizations must not change answers (onnxruntime#11576, #24711)."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto

from edgeguard.runtimes.ort_session import all_cores, open_session, run_session

__all__ = ["optimizer_difference"]


def optimizer_difference(model: ModelProto, inputs: np.ndarray[Any, Any], batch: int | None) -> float:
    """Largest absolute difference of an output between graph optimizations off and on, over ``inputs``."""
    data = model.SerializeToString()
    sessions = (open_session(data, threads=all_cores(), optimize=optimize) for optimize in (False, True))
    plain, fast = (run_session(session, inputs, batch) for session in sessions)
    return float(np.abs(plain.astype(np.float64) - fast).max())
