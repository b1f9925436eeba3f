"""Logits as networks, attackers and accidents make them, and the heads that hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from edgeguard.defenses.head import Head
from tests.defenses.backends import quantized
from tests.defenses.fitted import GRID

Array = np.ndarray[Any, Any]

CLASSES = (2, 3, 10, 100, 1000)
KINDS = ("random", "confident", "one-hot", "uniform", "tied", "extreme", "spread", "falling")
DTYPES = ("float32", "uint8", "int8")
SEEDS = st.integers(0, 2**32 - 1)
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


def every_kind(classes: int, seed: int) -> Array:
    """Float32 logits ``[48, classes]`` of all kinds."""
    rng = np.random.default_rng(seed)
    return np.concatenate([logits_of(kind, classes, rng) for kind in KINDS])


def head_of(dtype: str, classes: int) -> Head:
    """A head of logits; the integers of one lie on the grid that the fitted defenses are made for."""
    if dtype == "float32":
        return Head("logits", classes)
    if dtype == "uint8":
        return Head("logits", classes, "uint8", GRID.scale, GRID.zero + 128)
    return Head("logits", classes, "int8", GRID.scale, GRID.zero)


def held(logits: Array, head: Head) -> Array:
    """Float logits as a head holds them."""
    return logits if head.scale is None else quantized(logits, head)


@st.composite
def float_logits(draw: st.DrawFn) -> Array:
    """Float32 logits of every kind and size."""
    rng = np.random.default_rng(draw(SEEDS))
    return logits_of(draw(st.sampled_from(KINDS)), draw(st.sampled_from(CLASSES)), rng)


@st.composite
def heads_and_logits(draw: st.DrawFn) -> tuple[Head, Array]:
    """A head, float or with any scale and zero point, and what its network gives."""
    logits = draw(float_logits())
    dtype = draw(st.sampled_from(DTYPES))
    if dtype == "float32":
        return Head("logits", logits.shape[1]), logits
    limits = np.iinfo(dtype)
    head = Head(
        "logits",
        logits.shape[1],
        "uint8" if dtype == "uint8" else "int8",
        scale=draw(st.sampled_from((0.005, 0.0725, 0.5, 40.0))),
        zero_point=draw(st.sampled_from((limits.min, limits.min + 77, limits.max))),
    )
    return head, quantized(logits, head)
