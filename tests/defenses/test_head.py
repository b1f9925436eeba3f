"""Heads that cannot be, and what becomes of those that can."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeguard.defenses.head import Head, posterior
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.errors import BadModel


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"classes": 1}, "at least two classes"),
        ({"classes": 10, "dtype": "uint8"}, "scale and zero point"),
        ({"classes": 10, "dtype": "uint8", "scale": 0.1}, "scale and zero point"),
        ({"classes": 10, "scale": 0.1, "zero_point": 0}, "scale and zero point"),
        ({"classes": 10, "dtype": "uint8", "scale": 0.0, "zero_point": 0}, "positive and finite"),
        ({"classes": 10, "dtype": "uint8", "scale": float("nan"), "zero_point": 0}, "positive and finite"),
        ({"classes": 10, "dtype": "uint8", "scale": 0.1, "zero_point": -1}, "no uint8"),
        ({"classes": 10, "dtype": "int8", "scale": 0.1, "zero_point": 128}, "no int8"),
    ],
)
def test_heads_that_cannot_be(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadModel, match=said):
        Head("logits", **arguments)


@pytest.mark.parametrize(
    ("head", "raw"),
    [
        (Head("logits", 2, "uint8", 0.5, 128), np.array([[130, 126]], np.uint8)),
        (Head("logits", 2, "int8", 0.5, -3), np.array([[-1, -5]], np.int8)),
        (Head("logits", 2), np.array([[1.0, -1.0]], np.float32)),
    ],
)
def test_integers_mean_what_their_scale_says(head: Head, raw: np.ndarray[Any, Any]) -> None:
    expected = 1 / (1 + np.exp([-2.0, 2.0]))
    assert np.abs(posterior(NumpyOps(), head, raw) - expected).max() < 1e-7


def test_a_zero_point_at_the_far_end_does_not_wrap() -> None:
    ops = NumpyOps()
    assert ops.dequantize(np.array([0, 255], np.uint8), 1.0, np.uint8(255)).tolist() == [-255.0, 0.0]
    assert ops.dequantize(np.array([-128, 127], np.int8), 1.0, np.int8(-128)).tolist() == [0.0, 255.0]


def test_without_a_defense_the_posterior_is_the_answer() -> None:
    raw = np.array([[2.0, 0.0]], np.float32)
    answer = PostProcessor(Head("logits", 2), None)(raw)
    assert answer.dtype == np.float32
    assert answer[0, 0] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-7)
