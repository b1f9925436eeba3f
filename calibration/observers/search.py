"""The candidates that searching observers choose from, and how bins fall onto int8 levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgeguard.calibration.observers.base import LEVELS, Range, TensorStats

__all__ = ["best_range", "levels_of"]

Array = np.ndarray[Any, Any]

_STEPS = 96
_SMALLEST = 0.04


def best_range(stats: TensorStats, loss: Callable[[Range], float]) -> Range:
    """The candidate with the smallest loss; of equals the widest.

    The full range is scaled down step by step; then each end is moved alone, from where the common scale ended.
    """
    full = Range.covering(stats.low, stats.high)
    best = min(_scaled(full), key=loss)
    best = min(_one_end(best, full, low=True), key=loss)
    return min(_one_end(best, full, low=False), key=loss)


def levels_of(values: Array, limits: Range) -> tuple[Array, float, int]:
    """The int8 level (0..255) of each value, with scale and zero point as ONNX's uint8 quantization has them."""
    scale = (limits.high - limits.low) / (LEVELS - 1)
    if scale == 0:
        return np.zeros(values.shape, np.int64), 0.0, 0
    zero_point = round(-limits.low / scale)
    levels = np.clip(np.rint(values / scale) + zero_point, 0, LEVELS - 1).astype(np.int64)
    return levels, scale, zero_point


def _scaled(full: Range) -> Iterator[Range]:
    for factor in np.linspace(1, _SMALLEST, _STEPS):
        yield Range(full.low * float(factor), full.high * float(factor))


def _one_end(limits: Range, full: Range, *, low: bool) -> Iterator[Range]:
    for factor in np.linspace(1, _SMALLEST, _STEPS // 2):
        if low:
            yield Range(full.low * float(factor), limits.high)
        else:
            yield Range(limits.low, full.high * float(factor))
    yield limits
