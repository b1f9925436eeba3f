"""What is measured, held to figures that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.attacks.metrics import exposure, theft, utility

POSTERIORS = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.5, 0.5]])
# The second flips, the third is dulled, the others stay.
ANSWERS = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.5, 0.5]])
LABELS = np.array([0, 0, 1, 1])


def test_utility_counts_what_honest_users_lose() -> None:
    found = utility(ANSWERS, POSTERIORS, LABELS)
    assert (found.images, found.accuracy, found.undefended, found.flips) == (4, 0.5, 0.75, 0.25)
    assert found.loss == 25
    # |0.2| + |0.2| twice, over four images.
    assert found.l1 == pytest.approx(0.2)
    # Bins of a fifteenth: 0.5 alone (wrong), 0.6 twice (one right), 0.9 (right): (|-0.5| + |1 - 1.2| + |1 - 0.9|) / 4.
    assert found.ece == pytest.approx(0.2)


def test_exposure_counts_what_a_thief_sees() -> None:
    kept = np.array([0, 2])
    found = exposure(8, ANSWERS, POSTERIORS, POSTERIORS[kept], kept)
    assert (found.queries, found.images, found.kept, found.flips) == (8, 4, 0.5, 0.25)
    assert found.l1 == pytest.approx(0.2)
    assert found.l1_read == 0
    # Three different rows, one of them twice: 2 (1/4 log2 4) + 1/2 log2 2.
    assert found.distinct == 3
    assert found.bits == pytest.approx(1.5)


def test_theft_compares_with_the_truth_and_with_the_deployed_answers() -> None:
    logits = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    found = theft(logits, ANSWERS, LABELS)
    assert (found.accuracy, found.fidelity) == (1.0, 0.5)


@given(st.integers(1, 40), st.integers(2, 5), st.integers(0, 99))
def test_no_answer_tells_more_bits_than_there_are_answers(count: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    answers = np.eye(classes)[rng.integers(classes, size=count)]
    found = exposure(count, answers, answers, answers, np.arange(count))
    assert found.bits <= np.log2(min(found.distinct, count)) + 1e-9
    assert found.distinct <= min(count, classes)
    assert (found.l1, found.l1_read, found.flips) == (0, 0, 0)
