"""How a range becomes a scale and a zero point: one arithmetic for both formats.

ONNX Runtime's quantizer and ai-edge-quantizer compute the same from the same float32 ends; tests compare the files that
they write with this, tensor by tensor.
"""

from __future__ import annotations

import numpy as np

from edgeguard.calibration.observers import Range
from edgeguard.defenses.head import Grid

__all__ = ["grid_of"]

_LEVELS = 255
_LOWEST = -128


def grid_of(limits: Range) -> Grid:
    """The int8 grid over a range; a uint8 grid has the same scale, and its zero point is 128 larger.

    A range without extent (logits that were always zero) gets a scale of 1: any will do.
    """
    low, high = float(np.float32(limits.low)), float(np.float32(limits.high))
    scale = (high - low) / _LEVELS
    if scale < np.finfo(np.float32).tiny:
        return Grid(1.0, _LOWEST)
    return Grid(float(np.float32(scale)), round(_LOWEST - low / scale))
