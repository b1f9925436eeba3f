"""Levels of confidence for answers that are rows of a table, from validation data."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.defenses.rows import Levels

__all__ = ["fit_levels"]

Array = np.ndarray[Any, Any]

# Fewer images than this give a level no accuracy to speak of.
_LEAST_IMAGES = 25


def fit_levels(peaks: Array, worth: Array, wanted: int) -> Levels:
    """Levels that hold about equally many images, their confidence what the images of each are worth.

    Confidence never falls from a level to the next: where chance makes it do so, the two share their mean (pool
    adjacent violators: Barlow et al. 1972). It counts one image more that was right and one that was wrong (Laplace's
    rule), so that a level without an error does not promise certainty.

    :param peaks: the largest logit of each image in steps of the grid, int64 ``[n]``.
    :param worth: 1 or 0 for each image answered rightly or wrongly; without labels its confidence. ``[n]``.
    :param wanted: how many levels, if there are images enough.
    """
    count = max(1, min(wanted, len(peaks) // _LEAST_IMAGES))
    inner = np.quantile(peaks, np.arange(1, count) / count, method="higher").astype(np.int64)
    starts = np.unique([-128, *inner])
    level = np.searchsorted(starts, peaks, side="right") - 1
    images = np.bincount(level, minlength=len(starts)) + 2.0
    right = np.bincount(level, worth, minlength=len(starts)) + 1.0
    blocks: list[tuple[float, float, int]] = []
    for good, total in zip(right, images, strict=True):
        blocks.append((good, total, 1))
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            later, earlier = blocks.pop(), blocks.pop()
            blocks.append((earlier[0] + later[0], earlier[1] + later[1], earlier[2] + later[2]))
    confidences = [good / total for good, total, width in blocks for _ in range(width)]
    return Levels(tuple(int(start) for start in starts), tuple(float(value) for value in confidences))
