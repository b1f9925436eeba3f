"""A product of integers computed on the floats that they stand for: rounded, and yet largest in the same column.

XNNPACK keeps DEQUANTIZE and a float FULLY_CONNECTED in one partition with the network's last layer. A CAST leaves that
partition, and the product behind it begins another: some 70 ns a query, where a whole softmax of ten classes takes 100.
But dequantized integers are rounded, and so are the weights that undo their scale. Equal sums, of which the first one
counts, might then differ. So they are made to differ: the sums v_j of n columns become n v_j - j, which are integers at
least 1 apart, and the largest of them stands at the first of the largest v_j. Where all roundings together stay below
half of that, the column found is the right one on every kernel, whatever it adds in which order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["told_apart"]

Array = np.ndarray[Any, Any]

# Twice what one rounding to float32 may change a number by, as a share of it.
_ROUNDING = 2.0**-23
# A dequantized integer, its weight, their product, the bias, and the sum of these two.
_ALWAYS = 5
# Scales that keep everything far from what float32 cannot hold.
_SCALES = (2.0**-60, 2.0**60)


def told_apart(weights: Array, bias: Array, dtype: Any, scale: float, zero_point: int) -> tuple[Array, Array] | None:
    """Weights and bias for ``(value - zero_point) * scale``, whose product has its only largest entry where that of
    ``value @ weights + bias`` has the first of its largest; ``None`` if rounding might move it.

    :param weights: whole numbers ``[classes, columns]``.
    :param bias: whole numbers ``[columns]``.
    :param dtype: of the integers.
    """
    if not _SCALES[0] < scale < _SCALES[1]:
        return None
    count, limits = weights.shape[1], np.iinfo(dtype)
    product = weights.astype(np.float64) * count
    offset = bias.astype(np.float64) * count - np.arange(count) + zero_point * product.sum(axis=0)
    reach = max(limits.max - zero_point, zero_point - limits.min)
    largest = reach * np.abs(product).sum(axis=0) + np.abs(offset)
    # Products with zero are exact, and adding them is.
    roundings = np.count_nonzero(product, axis=0) + _ALWAYS
    if (largest * roundings).max() * _ROUNDING >= 1:
        return None
    return (product / scale).astype(np.float32), offset.astype(np.float32)
