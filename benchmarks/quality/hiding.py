"""Hiding: whether a thief can tell from its answer that a query was gated."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.quality.victim import answers_of
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import Gate
from edgeguard.defenses.head import Grid, Head, Query
from edgeguard.defenses.numpy_ops import NumpyOps

__all__ = ["area", "gated_by", "learned_area", "told_apart", "told_by_classes"]

Array = np.ndarray[Any, Any]


def gated_by(defense: Defense, logits: Array) -> Array:
    """Which queries are gated, bool ``[n]``: what a thief would like to know."""
    gate: Gate | None = defense.gate
    assert gate is not None
    return np.asarray(gate.closes(Query(NumpyOps(), Head("logits", logits.shape[-1]), logits, _grid(defense))))


def told_apart(defense: Defense, logits: Array, seed: int = 0) -> float:
    """How well the best classifier of answers tells gated from honest queries: area under the ROC curve.

    A table has few distinct answers, so the best classifier is the likelihood ratio of each of them, here with one
    query more of each kind (Laplace's rule). It learns the ratios from one half of the queries, told which of them were
    gated, and is tested on the other; both ways, and averaged.
    """
    gated = gated_by(defense, logits)
    _, kind = np.unique(answers_of(defense, logits), axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    half = np.random.default_rng(seed).permutation(len(logits)) % 2 == 0
    areas = []
    for known in (half, ~half):
        yes = np.bincount(kind[known & gated], minlength=kind.max() + 1) + 1.0
        no = np.bincount(kind[known & ~gated], minlength=kind.max() + 1) + 1.0
        areas.append(area((yes / no)[kind[~known]], gated[~known]))
    return float(np.mean(areas))


def learned_area(defense: Defense, logits: Array, seed: int = 0) -> float:
    """The same by gradient boosting on the entries of the answers, which knows nothing of tables."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    gated, answers = gated_by(defense, logits), answers_of(defense, logits)
    half = np.random.default_rng(seed).permutation(len(logits)) % 2 == 0
    areas = []
    for known in (half, ~half):
        model = HistGradientBoostingClassifier(random_state=seed).fit(answers[known], gated[known])
        areas.append(area(model.predict_proba(answers[~known])[:, 1], gated[~known]))
    return float(np.mean(areas))


def told_by_classes(reference: Defense, thief: Array, owner: Array) -> float:
    """What class frequencies alone give away, to the best classifier that knows them.

    Gated answers are distributed over the classes as the owner's reference is answered honestly, and the thief's
    honest answers as his population is: where these differ, no choice of wrong classes can hide which is which.
    """
    shares = []
    for logits in (thief, owner):
        honest = logits[~gated_by(reference, logits)].argmax(axis=1)
        shares.append((np.bincount(honest, minlength=logits.shape[1]) + 1) / (len(honest) + logits.shape[1]))
    order = np.argsort(shares[1] / shares[0])
    no, yes = shares[0][order], shares[1][order]
    return float((yes * (np.cumsum(no) - no / 2)).sum())


def area(scores: Array, positive: Array) -> float:
    """The area under the ROC curve: how often a positive scores above a negative, ties counting half."""
    values, kind = np.unique(scores, return_inverse=True)
    yes = np.bincount(kind.reshape(-1), positive, minlength=len(values))
    no = np.bincount(kind.reshape(-1), ~positive, minlength=len(values))
    return float((yes * (np.cumsum(no) - no / 2)).sum() / (yes.sum() * no.sum()))


def _grid(defense: Defense) -> Grid | None:
    return defense.grid
