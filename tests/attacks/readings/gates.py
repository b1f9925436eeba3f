"""A victim that answers with rows of a table, and gates before it whose wrong answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgeguard.attacks.oracle import Oracle
from edgeguard.attacks.strategy import Strategy
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.transfer import Lesson, TransferSet
from edgeguard.defenses.codebook import Codebook
from edgeguard.defenses.rows import Levels
from tests.attacks.stubs import oracle_of

__all__ = ["CHANNELS", "FLAT", "Gated", "flat_images", "outcome"]

Array = np.ndarray[Any, Any]

CHANNELS = 12
FLAT = (CHANNELS, 4, 4)
_LEVELS = Levels((-128, 20, 30, 40), (0.55, 0.7, 0.85, 0.99))
_STEP = 0.1


def flat_images(count: int, *, seed: int = 0) -> Array:
    """Each channel is nearly of one brightness, so that mirrored and moved they are nearly the same: ``[n, *FLAT]``."""
    rng = np.random.default_rng(seed)
    brightness = rng.standard_normal((count, CHANNELS, 1, 1))
    return (brightness + 0.05 * rng.standard_normal((count, *FLAT))).astype(np.float32)


@dataclass(frozen=True)
class Gated:
    """Linear in the mean brightness of each channel.

    :param share: of the queries, the least sure ones, that are answered wrongly.
    :param kind: how the wrong row is chosen: ``hash``, by the very pixels; ``region``, by signs of contrasts of logits,
        so that it stays with small changes; ``flood``, one row for all.
    """

    share: float
    kind: str = "hash"
    classes: int = 10

    def logits(self, inputs: Array) -> Array:
        """Of the network, ``[n, classes]``."""
        weights = np.random.default_rng(7).standard_normal((CHANNELS, self.classes))
        return np.asarray(inputs.mean(axis=(2, 3)) @ weights / np.sqrt(CHANNELS) * 2)

    @cached_property
    def _edge(self) -> float:
        return float(np.quantile(self.logits(flat_images(4000, seed=98)).max(axis=1), self.share))

    def gated(self, logits: Array) -> Array:
        """Which are answered wrongly."""
        return np.asarray(logits.max(axis=1) < self._edge)

    def answer(self, inputs: Array) -> Array:
        """Rows of a codebook."""
        logits = self.logits(inputs)
        rows = Codebook(4, _LEVELS.starts, _LEVELS.confidences).table_rows(self.classes).matrix
        levels, top = _LEVELS.of(np.rint(logits.max(axis=1) / _STEP)), logits.argmax(axis=1)
        closed = self.gated(logits)
        hashed = (np.abs(inputs[:, :, 0, 0]).sum(axis=1) * 1e5).astype(np.int64)
        signs = (logits > np.roll(logits, 1, axis=1)) @ (1 << np.arange(self.classes))
        drawn = {"hash": hashed, "region": signs * 7 + top, "flood": np.full(len(top), 3)}[self.kind]
        wrong = (top + 1 + drawn % (self.classes - 1)) % self.classes
        if self.kind == "flood":
            wrong = np.where(top == 3, 4, 3) % self.classes
        levels = np.where(closed, 3 if self.kind == "flood" else drawn % 4, levels)
        return rows[levels * self.classes + np.where(closed, wrong, top)]

    def oracle(self) -> Oracle:
        """It, without a budget."""
        return oracle_of(self.answer, shape=FLAT)

    def wrong(self, transfer: TransferSet) -> Array:
        """Which answers have another label than the network's, bool ``[n]``."""
        return np.asarray(self.logits(transfer.inputs).argmax(axis=1) != transfer.answers.argmax(axis=1))


def outcome(victim: Gated, strategy: Strategy, thief: Thief, count: int = 2000) -> tuple[float, float, float, Lesson]:
    """The share of wrong answers, that among the kept ones, the share of right ones that is kept, and the lesson."""
    transfer = strategy.asking(victim.oracle(), flat_images(count), thief.seed)
    lesson = strategy.reading(transfer, thief)
    wrong = victim.wrong(transfer)
    assert np.array_equal(lesson.inputs, transfer.inputs[lesson.kept])
    kept = np.isin(np.arange(count), lesson.kept)
    return float(wrong.mean()), float(wrong[kept].mean()), float(kept[~wrong].mean()), lesson
