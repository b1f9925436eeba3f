"""Defenses as the tuning leaves them, made up from random numbers, for any number of classes."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

import numpy as np

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import Cells, Gate, Score
from edgeguard.defenses.head import Grid, Head
from edgeguard.defenses.registry import DEFENSES
from edgeguard.defenses.response import Response, is_table
from edgeguard.keys import MasterKey

GRID = Grid(0.25, -20)
_LEVELS = 4
_CELLS = 24
# In steps of the grid, in probability and in logits: each closes on some of what the strategies draw, not on all.
_THRESHOLDS = {"max-probability": 0.8, "energy": 3.0, "max-logit": 10.0, "per-class-max-logit": 0.0}


def key(seed: int = 0) -> MasterKey:
    """The same key for the same seed."""
    return MasterKey(seed.to_bytes(32, "big"))


@lru_cache(maxsize=256)
def response(name: str, classes: int, seed: int = 0) -> Response:
    """A response with its defaults, its tables filled."""
    rng = np.random.default_rng(seed)
    made: Any = DEFENSES[name].for_classes(classes)
    if made.keyed:
        made = made.drawn(key(seed), classes)
    if hasattr(made, "starts"):
        starts = (-128, *sorted(rng.choice(np.arange(-100, 120), _LEVELS - 1, replace=False).tolist()))
        made = replace(made, starts=starts, confidences=tuple(sorted(rng.uniform(0.5, 1, _LEVELS).tolist())))
    return cast(Response, made)


def cells(classes: int, rng: np.random.Generator, count: int = _CELLS) -> Cells:
    """Directions as a fitted gate's: away from a class, and turned a little."""
    directions = rng.integers(-1, 2, (count, classes))
    directions[np.arange(count), rng.integers(0, classes, count)] -= 4
    offsets = rng.integers(-200, 200, count)
    return Cells(tuple(tuple(row) for row in directions.tolist()), tuple(offsets.tolist()))


@lru_cache(maxsize=256)
def gate(score: Score, classes: int, levels: int, seed: int = 0, threshold: float | None = None) -> Gate:
    """A gate that is closed to some of what the strategies draw, and open to some.

    :param levels: that gated queries may be answered at.
    :param threshold: ``None`` for the usual one.
    """
    rng = np.random.default_rng(seed)
    regions = cells(classes, rng)
    wrong = (np.arange(classes)[:, None] + rng.integers(1, classes, (classes, len(regions)))) % classes
    draws = rng.integers(0, levels, wrong.shape) * classes + wrong
    thresholds = tuple(rng.integers(-40, 60, classes).tolist()) if score == "per-class-max-logit" else ()
    where = _THRESHOLDS[score] if threshold is None else threshold
    return Gate(score, where, regions, tuple(tuple(row) for row in draws.tolist()), thresholds)


def levels_of(made: Response) -> int:
    """How many levels of confidence a response has; one if it has no table."""
    return len(made.table_levels()) if is_table(made) else 1


def defense(name: str, head: Head, score: Score | None = None, seed: int = 0) -> Defense:
    """A fitted defense for a head, behind a gate if a score is named."""
    made = response(name, head.classes, seed)
    closing = None if score is None else gate(score, head.classes, levels_of(made), seed)
    return Defense(made, closing, head.grid or GRID)
