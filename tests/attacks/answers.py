"""Answers of imagined suspects, and tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.defenses.decoys import derangements
from edgeguard.keys import MasterKey

__all__ = ["KEY", "following", "table_like"]

Array = np.ndarray[Any, Any]

KEY = MasterKey(bytes(range(32)))


def following(
    key: MasterKey,
    *,
    classes: int,
    queries: int,
    share: float,
    levels: int = 1,
    seed: int = 0,
    natural: float = 0.4,
) -> Array:
    """Posteriors, float64 ``[queries, classes]``, of a clone whose runner-up is the decoy in a share of the queries.

    The others' runner-up is one of the next classes, the nearer the likelier, as in a network that confuses neighbours:
    in a share ``natural`` the very next.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(queries)
    top = rng.integers(0, classes, queries)
    decoys = derangements(key, classes, levels)[rng.integers(0, levels, queries), top]
    neighbours = (top + np.minimum(rng.geometric(natural, queries), classes - 1)) % classes
    second = np.where(rng.random(queries) < share, decoys, neighbours)
    scores = 0.1 * rng.random((queries, classes))
    scores[rows, second] += 0.5
    scores[rows, top] += 2
    posteriors: Array = scores / scores.sum(axis=1, keepdims=True)
    return posteriors


def table_like(kind: str, classes: int, queries: int = 3000) -> Array:
    """A table, int64 ``[classes, classes]``, from even to one single cell."""
    rng = np.random.default_rng(len(kind))
    counts = np.zeros((classes, classes), np.int64)
    if kind == "one cell":
        counts[1, 2] = queries
    elif kind == "one class":
        counts[1] = rng.multinomial(queries, rng.dirichlet(np.full(classes, 0.5)))
    elif kind == "neighbours":
        counts[np.arange(classes), (np.arange(classes) + 1) % classes] = queries // classes
    elif kind == "pairs":
        counts[np.arange(classes), (np.arange(classes) ^ 1) % classes] = np.geomspace(1, queries, classes).astype(
            np.int64
        )
    elif kind == "sparse":
        counts += rng.multinomial(queries, rng.dirichlet(np.full(classes**2, 0.03))).reshape(classes, classes)
    elif kind == "one attractor":
        counts[:, 3] = rng.integers(1, queries // classes, classes)
    else:
        assert kind == "even"
        counts += rng.multinomial(queries, np.full(classes**2, classes**-2.0)).reshape(classes, classes)
    np.fill_diagonal(counts, 0)
    return counts
