"""Budgets: what a tuned defense costs on images it was not tuned on, and how many queries of a thief it spoils."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.quality.victim import TUNED_ON, Victim, answers_of, key_of, posterior_of
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import Score

__all__ = ["Spent", "calibration_error", "codebook_errors", "dcp_at_loss", "lost", "spend", "spoilt"]

Array = np.ndarray[Any, Any]

_BINS = 15


@dataclass(frozen=True, eq=False)
class Spent:
    """A defense under a budget, tuned on random subsets of the test images.

    :param lost: for each split, share of the other test images that it no longer answers rightly.
    :param spoilt: for each split, share of a thief's queries whose answer names another class than the network.
    """

    lost: Array
    spoilt: Array

    def exceeded(self, budget: float) -> int:
        """On how many splits more was lost than the budget's percentage points."""
        return int((100 * self.lost > budget).sum())


def spend(
    victim: Victim,
    name: str,
    score: Score | None,
    budget: float,
    logits: Array,
    labels: Array,
    queries: Array,
    seeds: Iterable[int],
) -> Spent:
    """Tune to a budget on ``TUNED_ON`` of the test images, measure on the others."""
    found = []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(logits))
        tuning, others = order[:TUNED_ON], order[TUNED_ON:]
        defense = victim.tuned(
            name, logits[tuning], labels[tuning], budget=budget, score=score, key=key_of(seed), reference=logits[tuning]
        )
        found.append((lost(defense, logits[others], labels[others]), spoilt(defense, queries)))
    return Spent(*np.array(found).T)


def lost(defense: Defense, logits: Array, labels: Array) -> float:
    """Share of images that the network answers rightly and the defense does not."""
    answered = answers_of(defense, logits).argmax(axis=1)
    return float(((logits.argmax(axis=1) == labels) & (answered != labels)).mean())


def spoilt(defense: Defense, queries: Array) -> float:
    """Share of queries whose answer names another class than the network."""
    return float((answers_of(defense, queries).argmax(axis=1) != queries.argmax(axis=1)).mean())


def dcp_at_loss(victim: Victim, loss: float, logits: Array, labels: Array) -> Dcp:
    """DCP with the largest beta that loses at most so much on these images: tuned with hindsight, to its advantage."""
    low, high = 0.5, 2.0
    for _ in range(20):
        beta = (low + high) / 2
        if lost(Defense(Dcp(beta=beta), None, victim.grid), logits, labels) <= loss:
            low = beta
        else:
            high = beta
    return Dcp(beta=low)


def codebook_errors(victim: Victim, logits: Array, labels: Array, seeds: Iterable[int]) -> tuple[Array, Array]:
    """Calibration errors of the undefended network and of a codebook, for each split on the images not tuned on."""
    plain, coded = [], []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(logits))
        tuning, others = order[:TUNED_ON], order[TUNED_ON:]
        defense = victim.tuned("codebook", logits[tuning], labels[tuning])
        plain.append(calibration_error(posterior_of(logits[others]), labels[others]))
        coded.append(calibration_error(answers_of(defense, logits[others]), labels[others]))
    return np.array(plain), np.array(coded)


def calibration_error(answers: Array, labels: Array) -> float:
    """Expected calibration error over 15 bins of equal width (Guo et al., ICML 2017)."""
    confidence, right = answers.max(axis=1).astype(np.float64), answers.argmax(axis=1) == labels
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, right - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(answers))
