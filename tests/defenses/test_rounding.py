"""Rounded answers."""

from __future__ import annotations

import numpy as np
import pytest

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.rounding import Round
from edgeguard.errors import UsageError
from tests.defenses.backends import numpy_answer, onnx_answer

BOTH = pytest.mark.parametrize("backend", [numpy_answer, onnx_answer], ids=["numpy", "onnx"])


@BOTH
def test_answers_worked_out_by_hand(backend: type) -> None:
    posterior = np.array([[0.62, 0.27, 0.11], [0.33, 0.33, 0.34], [0.96, 0.02, 0.02]])
    logits = np.log(posterior).astype(np.float32)
    one = backend(Head("logits", 3), Defense(Round(1)))(logits)
    # In tenths, one more at the class: 6 + 1, 3, 1; 3, 3, 3 + 1; 10 + 1, 0, 0.
    np.testing.assert_allclose(one, [[7 / 11, 3 / 11, 1 / 11], [0.3, 0.3, 0.4], [1, 0, 0]], atol=1e-7)
    two = backend(Head("logits", 3), Defense(Round(2)))(logits)
    np.testing.assert_allclose(two[0], np.array([63, 27, 11]) / 101, atol=1e-7)


@BOTH
def test_of_many_classes_something_is_left(backend: type) -> None:
    logits = np.zeros((1, 1000), np.float32)
    logits[0, 7] = 0.5
    answer = backend(Head("logits", 1000), Defense(Round(1)))(logits)
    assert answer[0, 7] == 1
    assert answer.sum() == 1


@BOTH
def test_the_class_stays_first_among_entries_that_round_alike(backend: type) -> None:
    logits = np.array([[1.0, 1.001, 1.0]], np.float32)
    answer = backend(Head("logits", 3), Defense(Round(1)))(logits)[0]
    assert answer[1] > max(answer[0], answer[2])


def test_the_margin_reaches_the_nearest_border() -> None:
    """p = 0.27 rounds to 0.3 from 0.25 on, and no entry of the row is nearer to its border."""
    posterior = np.array([[0.70, 0.27, 0.03]])

    def odds(p: float) -> float:
        return float(np.log(p / (1 - p)))

    margin = Round(1).margin(posterior)[0]
    assert margin == pytest.approx((odds(0.27) - odds(0.25)) / 2)
    logits, ops = np.log(posterior), NumpyOps(np.float64)
    toward = np.array([[1.0, -1.0, 1.0]])
    for factor, rounded in ((0.999, 3), (1.001, 2)):
        moved = ops.softmax(logits + factor * margin * toward)
        assert np.rint(10 * moved[0, 1]) == rounded


@pytest.mark.parametrize("digits", [1, 3, 6])
def test_the_margin_of_a_sure_answer_is_large(digits: int) -> None:
    """Nothing lies below 0 or above 1, and 1 - 1e-40 is not taken for 1."""
    posterior = np.array([[1.0, 1e-40], [1.0, 0.0]])
    assert Round(digits).margin(posterior)[0] == pytest.approx((40 * np.log(10) + np.log(0.5 * 10**-digits)) / 2, 1e-3)
    assert np.isinf(Round(digits).margin(posterior)[1])


def test_on_a_border_there_is_no_margin() -> None:
    assert Round(1).margin(np.array([[0.75, 0.25]]))[0] == 0


@pytest.mark.parametrize("digits", [0, 7, -1])
def test_parameters_outside_their_ranges(digits: int) -> None:
    with pytest.raises(UsageError, match=r"digits must lie in 1\.\.6"):
        Round(digits)
