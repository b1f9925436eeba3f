"""Logits as networks, attackers and accidents make them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from edgeguard.defenses.head import Head
from tests.defenses.backends import quantized

Array = np.ndarray[Any, Any]

CLASSES = (2, 3, 10, 100, 1000)
KINDS = ("random", "confident", "one-hot", "uniform", "tied", "extreme", "spread", "falling")
_ROWS = 6


def logits_of(kind: str, classes: int, rng: np.random.Generator) -> Array:
    """Float32 logits ``[6, classes]`` of one kind."""
    normal = rng.standard_normal((_ROWS, classes))
    one_hot = np.eye(classes)[rng.integers(classes, size=_ROWS)]
    if kind == "random":
        values = normal * rng.uniform(0.1, 20)
    elif kind == "confident":
        values = normal + one_hot * rng.uniform(0, 25, (_ROWS, 1))
    elif kind == "one-hot":
        values = one_hot * rng.choice([1.0, 10.0, 17.0, 88.0, 104.0, 1e4])
    elif kind == "uniform":
        values = np.full((_ROWS, classes), rng.choice([0.0, -3.5, 1e4, -1e4]))
    elif kind == "tied":
        values = np.minimum(normal, 0.5) + 5 * np.maximum(one_hot, one_hot[::-1])
    elif kind == "extreme":
        values = rng.choice([-1e4, 1e4], (_ROWS, classes))
    elif kind == "spread":
        values = rng.choice([-1, 1], (_ROWS, classes)) * 10.0 ** rng.uniform(-30, 4, (_ROWS, classes))
    else:
        values = -np.arange(classes) * rng.uniform(0, 30) * np.ones((_ROWS, 1))
    return values.astype(np.float32)


@st.composite
def float_logits(draw: st.DrawFn) -> Array:
    """Float32 logits of every kind and size."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return logits_of(draw(st.sampled_from(KINDS)), draw(st.sampled_from(CLASSES)), rng)


@st.composite
def integer_logits(draw: st.DrawFn) -> tuple[Head, Array]:
    """An integer head and values as its network would give them."""
    logits = draw(float_logits())
    dtype = draw(st.sampled_from(("uint8", "int8")))
    limits = np.iinfo(dtype)
    head = Head(
        "logits",
        logits.shape[1],
        dtype,
        scale=draw(st.sampled_from((0.005, 0.0725, 0.5, 40.0))),
        zero_point=draw(st.sampled_from((limits.min, limits.min + 77, limits.max))),
    )
    return head, quantized(logits, head)
