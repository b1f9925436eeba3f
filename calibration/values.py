"""Refusing sets whose values say that something is wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.calibration.data_set import BLOCK, DataSet
from edgeguard.errors import BadData
from edgeguard.preprocess import Preprocess

__all__ = ["check_values"]

Array = np.ndarray[Any, Any]

# Of the range that images can take: real sets span far more, pixels of 0..1 saved as 0..255 far less.
_SMALLEST_SPAN = 0.02
_SLACK = 0.01


def check_values(data: DataSet, preprocess: Preprocess | None) -> None:
    """Read the whole set once.

    :raises BadData: it is constant, or its values cannot be what the network was trained on.
    """
    low, high = np.full(1, np.inf, np.float32), np.full(1, -np.inf, np.float32)
    seen: set[str] = set()
    for batch in data.batches(BLOCK):
        channels = _by_channel(batch.inputs, preprocess)
        low, high = np.minimum(low, channels.min(axis=0)), np.maximum(high, channels.max(axis=0))
        if len(seen) < 2:
            seen.update(batch.digests)
        if preprocess is not None:
            _refuse_outside(float(low.min()), float(high.max()), preprocess, data.name)
    if (low == high).all():
        raise BadData("is constant: one and the same value throughout", where=data.name, fix="Use real images")
    if len(data) > 1 and len(seen) == 1:
        raise BadData("is constant: one and the same image throughout", where=data.name, fix="Use different images")
    if preprocess is not None:
        _refuse_narrow(float(low.min()), float(high.max()), preprocess, data.name)


def _by_channel(inputs: Array, preprocess: Preprocess | None) -> Array:
    """``[values, channels]``: normalised channels of a grey image differ, and it is constant all the same."""
    if preprocess is None:
        return inputs.reshape(-1, 1)
    if preprocess.layout == "nchw":
        inputs = inputs.transpose(0, 2, 3, 1)
    return inputs.reshape(-1, inputs.shape[-1])


def _refuse_outside(low: float, high: float, preprocess: Preprocess, name: str) -> None:
    black, white = preprocess.value_range
    slack = _SLACK * (white - black)
    if low < black - slack or high > white + slack:
        raise BadData(
            f"has the wrong range: inputs reach {low:.4g} to {high:.4g}, but preprocessed images lie in "
            f"{black:.4g} to {white:.4g}",
            where=name,
            fix="Float arrays are taken as finished inputs; save images as uint8 to have them preprocessed",
        )


def _refuse_narrow(low: float, high: float, preprocess: Preprocess, name: str) -> None:
    black, white = preprocess.value_range
    if high - low < _SMALLEST_SPAN * (white - black):
        raise BadData(
            f"has the wrong range: inputs span {low:.4g} to {high:.4g}, of {black:.4g} to {white:.4g} possible",
            where=name,
            fix="Were pixels of 0..1 saved as uint8, or is --preprocess not the network's?",
        )
