"""Answers of the k largest entries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.top_k import TopK
from edgeguard.errors import UsageError
from tests.defenses.backends import numpy_answer, onnx_answer
from tests.defenses.strategies import CLASSES, logits_of

BOTH = pytest.mark.parametrize("backend", [numpy_answer, onnx_answer], ids=["numpy", "onnx"])


@BOTH
def test_answers_worked_out_by_hand(backend: type) -> None:
    logits = np.log([[0.1, 0.4, 0.2, 0.3]]).astype(np.float32)
    for k, expected in (
        (1, [0, 1, 0, 0]),
        (2, [0, 4 / 7, 0, 3 / 7]),
        (3, [0, 4 / 9, 2 / 9, 3 / 9]),
    ):
        np.testing.assert_allclose(backend(Head("logits", 4), Defense(TopK(k)))(logits)[0], expected, atol=1e-7)


@BOTH
def test_entries_equal_to_the_last_are_kept_as_well(backend: type) -> None:
    logits = np.array([[2.0, 1.0, 1.0, 0.0], [5.0, 5.0, 5.0, 5.0]], np.float32)
    answers = backend(Head("logits", 4), Defense(TopK(2)))(logits)
    assert (answers > 0).tolist() == [[True, True, True, False], [True] * 4]
    assert answers[0, 1] == answers[0, 2]


@BOTH
@pytest.mark.parametrize("k", [1, 5, 99])
def test_as_many_entries_are_left(backend: Any, k: int) -> None:
    logits = logits_of("random", 100, np.random.default_rng(0)) / 20
    answers = backend(Head("logits", 100), Defense(TopK(k)))(logits)
    assert ((answers > 0).sum(axis=1) == k).all()
    assert (np.sort(logits.argsort(axis=1)[:, -k:]) == np.sort((answers).argsort(axis=1)[:, -k:])).all()


@pytest.mark.parametrize("classes", CLASSES)
def test_by_default_something_is_hidden(classes: int) -> None:
    assert TopK.for_classes(classes).k == min(3, classes - 1)


def test_the_margin_is_half_the_gap() -> None:
    posterior = np.exp([[3.0, 1.0, 2.25, 0.0], [1.0, 1.0, 1.0, 0.0], [3.0, 2.0, -2000.0, -2000.0]])
    posterior /= posterior.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(TopK(2).margin(posterior)[:2], [0.625, 0.0], atol=1e-12)
    assert TopK(3).margin(posterior)[2] == 0
    assert TopK(2).margin(posterior)[2] > 300


def test_parameters_outside_their_ranges() -> None:
    with pytest.raises(UsageError, match="k must be at least 1"):
        TopK(0)
    for k in (4, 5):
        with pytest.raises(UsageError, match=f"k = {k} hides nothing of 4 classes.*from 1 to 3"):
            numpy_answer(Head("logits", 4), Defense(TopK(k)))(np.zeros((1, 4), np.float32))
