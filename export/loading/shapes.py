"""Sizes that no network for a Pi has: refused before anything of that size is allocated."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeguard.errors import BadModel

__all__ = ["MAX_ELEMENTS", "MAX_NODES", "check_input_shape"]

# 2^28 float32 values are 1 GiB, twice the memory of a Zero 2 W.
MAX_ELEMENTS = 2**28
# The deepest networks that anybody has put on a Pi have a tenth of it.
MAX_NODES = 20_000


def check_input_shape(shape: Sequence[int]) -> None:
    """Refuse an input that cannot be: empty, with a dimension of zero or less, or absurdly large.

    :raises BadModel: with the shape.
    """
    if not shape or min(shape) < 1:
        raise BadModel(f"the input shape {list(shape)} has a dimension below 1", fix="Pass --input-shape C,H,W")
    if math.prod(shape) > MAX_ELEMENTS:
        raise BadModel(
            f"the input shape {list(shape)} has {math.prod(shape):,} elements; the limit is {MAX_ELEMENTS:,}"
        )
