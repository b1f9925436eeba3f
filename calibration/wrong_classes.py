"""Which wrong classes answer gated queries: far from what is asked, and as often as honest answers name them.

Both together are a problem of transport: queries are to be divided among the classes, each class getting its share, so
that queries are as far as possible from the classes that they get. Where queries are many and classes few its solution
gives each query to the class with the largest of linear functions of the query (semi-discrete optimal transport; Peyré
and Cuturi, "Computational Optimal Transport", 2019, section 5.2): *cells*. The offsets are its dual variables. Here the
functions are not quite "minus the logit of the class": the key turns each a little, and each class has several, so that
neither the class nor the level that it is answered with can be told without the key.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeguard.defenses.gate import Cells
from edgeguard.keys import MasterKey
from edgeguard.keystream import KeyStream

__all__ = ["fit_cells", "fit_draws", "members_of", "wrong_class_bits"]

Array = np.ndarray[Any, Any]

# Cells of one class, while there are few classes; and of all classes that stand alone. More cost time at every query.
_OF_A_CLASS = 4
_FEW = 40
# With more classes than this, several share a cell.
_MOST_CELLS = 64
# A direction takes this times the logits of its classes, and keyed ones: so many more and as many less, once each.
# Measured with ResNet-20, asked CIFAR-100: with (4, 2) the wrong class lies at 95 % of the distance it could have, and
# has 2.9 bits given the most likely one.
_AWAY = 4
_TURNED = 2
_ROUNDS = 300
# Steps of the dual ascent: relative to the spread of values at first, at last to the grid of offsets.
_LAST_STEP = 0.25
# How much more than its share a cell may be thought to hold, for its step not to be larger than the spread.
_MOST_EXCESS = 3.0
_UNIT = 1 << 53


def members_of(key: MasterKey, classes: int) -> Array:
    """Which classes a cell stands for, bool ``[cells, classes]``: one, or of many classes several that the key puts
    together."""
    if classes > _MOST_CELLS:
        groups = math.ceil(classes / math.ceil(classes / _MOST_CELLS))
        group = key.stream("cell-members", classes).permutation(classes) % groups
        return np.asarray(group == np.arange(groups)[:, None])
    several = min(_OF_A_CLASS, max(1, _FEW // classes))
    return np.repeat(np.eye(classes, dtype=bool), several, axis=0)


def fit_cells(key: MasterKey, members: Array, steps: Array, honest: Array) -> Cells:
    """Keyed directions away from classes, and offsets with which each class gets its share of the gated queries.

    :param members: see :func:`members_of`.
    :param steps: of the gated reference, on the grid, int64 ``[n, classes]``; may be empty.
    :param honest: how often each class is answered honestly, ``[classes]``, positive.
    """
    count, classes = members.shape
    directions = _turns(key.stream("cells", classes), count, classes) - _AWAY * members
    # Cells of one class divide its share evenly.
    wanted = members @ (honest / members.sum(axis=0)) / honest.sum()
    offsets = _dual_ascent(steps @ directions.T, wanted) if len(steps) else np.zeros(count, np.int64)
    return Cells(tuple(tuple(row) for row in directions.tolist()), tuple(offsets.tolist()))


def fit_draws(key: MasterKey, counts: Array, honest: Array, members: Array) -> Array:
    """The rows that answer gated queries, int64 ``[classes, cells]``, drawn so that they look like honest rows.

    The cells with the most queries choose first. Each draws, by the key, among the rows of its own classes (of any, if
    the most likely one is the only one of them), with a probability proportional to how many queries are still missing
    there to make the gated rows distributed as the honest ones.

    :param counts: gated queries of the reference, ``[classes, cells]``.
    :param honest: how often each row answers honestly, ``[levels * classes]``, positive.
    :param members: see :func:`members_of`.
    """
    classes, cells = counts.shape
    stream = key.stream("wrong-class", classes)
    chances = stream.integers(_UNIT, counts.size) / _UNIT
    share = honest / honest.sum()
    missing = share * max(counts.sum(), 1)
    owner = np.arange(len(honest)) % classes
    draws = np.zeros(counts.size, np.int64)
    for cell in np.argsort(-counts.reshape(-1), kind="stable"):
        there = counts.reshape(-1)[cell]
        others = owner != cell // cells
        allowed = others & members[cell % cells, owner]
        allowed = allowed if allowed.any() else others
        weights = np.where(allowed & (missing >= there / 2), np.maximum(missing, 0), 0.0)
        if there == 0 or not weights.any():
            weights = share * allowed
        total = np.cumsum(weights)
        row = int(np.searchsorted(total, chances[cell] * total[-1], side="right"))
        draws[cell] = row
        missing[row] -= there
    return draws.reshape(classes, cells)


def wrong_class_bits(counts: Array, draws: Array) -> float:
    """Entropy in bits of the wrong class given the most likely one, over gated queries.

    :param counts: gated queries, ``[classes, cells]``.
    :param draws: rows, ``[classes, cells]``.
    """
    classes = len(counts)
    bits = 0.0
    for own, wrong in zip(counts, draws % classes, strict=True):
        share = np.bincount(wrong, own, minlength=classes)
        share = share[share > 0]
        bits += float((share * np.log2(own.sum() / share)).sum())
    return bits / max(int(counts.sum()), 1)


def _turns(stream: KeyStream, count: int, classes: int) -> Array:
    """Contrasts, int64 ``[count, classes]``: as many logits added as taken off."""
    contrasts = np.zeros((count, classes), np.int64)
    several = min(_TURNED, classes // 2)
    for contrast in contrasts:
        order = stream.permutation(classes)
        contrast[order[:several]], contrast[order[several : 2 * several]] = 1, -1
    return contrasts


def _dual_ascent(values: Array, wanted: Array) -> Array:
    """Integer offsets, int64 ``[cells]``, with which ``argmax(values - offsets)`` divides queries as wanted.

    The gradient of the dual is what each cell holds too much; the best offsets on the way are returned, as steps that
    grow smaller may end a little beside them.

    :param values: int64 ``[n, cells]``.
    :param wanted: shares that sum to 1, positive, ``[cells]``.
    """
    offsets = np.zeros(len(wanted))
    best, least = np.zeros(len(wanted), np.int64), np.inf
    for step in np.geomspace(max(float(values.std()), _LAST_STEP), _LAST_STEP, _ROUNDS):
        rounded = np.rint(offsets).astype(np.int64)
        excess = np.bincount((values - rounded).argmax(axis=1), minlength=len(wanted)) / len(values) - wanted
        if np.abs(excess).sum() < least:
            best, least = rounded, float(np.abs(excess).sum())
        offsets += step * np.clip(excess / wanted, -1.0, _MOST_EXCESS)
    return best
