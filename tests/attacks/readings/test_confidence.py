"""Filtering by confidence: shares of each class, the surest first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.attacks.readings.confidence import FILTERING, SHARE_KEPT, surest
from tests.attacks.stubs import RidgeTrainer, images, linear_victim, oracle_of, thief_with


@given(st.integers(1, 60), st.integers(2, 5), st.floats(0.05, 1), st.integers(0, 99))
def test_each_class_keeps_its_share_and_its_surest(count: int, classes: int, share: float, seed: int) -> None:
    answers = np.random.default_rng(seed).dirichlet(np.ones(classes), count)
    kept = surest(answers, share)
    assert (np.diff(kept) > 0).all()
    top, sure = answers.argmax(axis=1), answers.max(axis=1)
    for own in np.unique(top):
        mine = top == own
        held = np.isin(np.arange(count), kept) & mine
        assert held.sum() == max(1, round(share * mine.sum()))
        if (mine & ~held).any():
            assert sure[held].min() >= sure[mine & ~held].max()


def test_equally_sure_answers_are_kept_in_their_order() -> None:
    np.testing.assert_array_equal(surest(np.tile([0.7, 0.3], (8, 1)), 0.5), [0, 1, 2, 3])


def test_of_what_is_kept_only_labels_are_taught() -> None:
    transfer = FILTERING.asking(oracle_of(linear_victim()), images(200), 0)
    lesson = FILTERING.reading(transfer, thief_with(RidgeTrainer()))
    assert set(np.unique(lesson.targets)) == {0.0, 1.0}
    np.testing.assert_array_equal(lesson.targets.argmax(axis=1), transfer.answers[lesson.kept].argmax(axis=1))
    np.testing.assert_array_equal(lesson.inputs, transfer.inputs[lesson.kept])
    assert abs(len(lesson) - SHARE_KEPT * 200) <= 5
