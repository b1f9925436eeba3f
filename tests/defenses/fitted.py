"""Defenses as the tuning leaves them, made up from random numbers, for any number of classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import Cells, Gate, Score
from edgeguard.defenses.head import Grid, Head
from edgeguard.defenses.registry import DEFENSES
from edgeguard.defenses.response import Response

GRID = Grid(0.25, -20)
_LEVELS = 4
_BITS = 5


def response(name: str, classes: int, seed: int = 0) -> Response:
    """A response with its defaults, its tables filled."""
    rng = np.random.default_rng(seed)
    made = DEFENSES[name].for_classes(classes)
    fitted: dict[str, Any] = {}
    if hasattr(made, "starts"):
        fitted["starts"] = (-128, *sorted(rng.choice(np.arange(-100, 120), _LEVELS - 1, replace=False).tolist()))
        fitted["confidences"] = tuple(sorted(rng.uniform(0.5, 1, _LEVELS).tolist()))
    if hasattr(made, "decoys"):
        fitted["decoys"] = tuple(_derangement(classes, rng) for _ in range(_LEVELS))
    return replace(cast(Any, made), **fitted) if fitted else made


def gate(score: Score, classes: int, levels: int, seed: int = 0) -> Gate:
    """A gate that closes on about half of what the strategies draw."""
    rng = np.random.default_rng(seed)
    contrasts = []
    for _ in range(_BITS):
        row = np.zeros(classes, np.int64)
        count = min(4, classes) // 2
        chosen = rng.permutation(classes)[: 2 * count]
        row[chosen[:count]], row[chosen[count:]] = 1, -1
        contrasts.append(tuple(row.tolist()))
    cells = Cells(tuple(contrasts), tuple(rng.integers(-20, 20, _BITS).tolist()))
    wrong = (np.arange(classes)[:, None] + rng.integers(1, classes, (classes, len(cells)))) % classes
    draws = rng.integers(0, levels, wrong.shape) * classes + wrong
    threshold = {"max-probability": 0.8, "energy": 3.0, "max-logit": 10.0}.get(score, 0.0)
    thresholds = tuple(rng.integers(-40, 60, classes).tolist()) if score == "per-class-max-logit" else ()
    return Gate(score, threshold, cells, tuple(tuple(row) for row in draws.tolist()), thresholds)


def defense(name: str, head: Head, score: Score | None = None, seed: int = 0) -> Defense:
    """A fitted defense for a head, behind a gate if a score is named."""
    made = response(name, head.classes, seed)
    levels = len(made.table_levels()) if hasattr(made, "table_levels") else 1
    return Defense(made, None if score is None else gate(score, head.classes, levels, seed), head.grid or GRID)


def _derangement(classes: int, rng: np.random.Generator) -> tuple[int, ...]:
    order = rng.permutation(classes)
    result = np.empty(classes, np.int64)
    result[order] = np.roll(order, 1)
    return tuple(result.tolist())
