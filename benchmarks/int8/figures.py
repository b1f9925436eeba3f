"""Figures of one quantized network beside its float twin and beside another quantized one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Difference", "paired", "sqnr"]

Array = np.ndarray[Any, Any]

_Z95 = 1.959964


@dataclass(frozen=True)
class Difference:
    """Percentage points of accuracy, with a 95 % interval."""

    mean: float
    low: float
    high: float


def sqnr(exact: Array, found: Array) -> float:
    """Signal-to-quantization-noise ratio in dB, of the whole array."""
    signal = exact.astype(np.float64)
    noise = float(((signal - found) ** 2).sum())
    return math.inf if noise == 0 else 10 * math.log10(float((signal**2).sum()) / noise)


def paired(right: Array, reference: Array) -> Difference:
    """How much more accurate one network is than another on the same images.

    Of the differences image by image, which are -1, 0 or 1: most are 0, which makes the interval far narrower than two
    separate accuracies would.

    :param right: bool ``[n]``.
    """
    each = right.astype(np.float64) - reference
    mean = float(each.mean())
    half = _Z95 * float(each.std(ddof=1)) / math.sqrt(len(each))
    return Difference(100 * mean, 100 * (mean - half), 100 * (mean + half))
