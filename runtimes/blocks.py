"""Blocks of inputs for graphs that are fixed to one batch size."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["filled_up"]

Array = np.ndarray[Any, Any]


def filled_up(block: Array, batch: int | None) -> Array:
    """A block ``[n, *input_shape]``, n at least 1, with copies of its last input until there are ``batch`` of them.

    :param batch: the batch size that the graph is fixed to; ``None`` leaves the block as it is.
    """
    missing = 0 if batch is None else batch - len(block)
    return np.concatenate([block, np.repeat(block[-1:], missing, axis=0)]) if missing > 0 else block
