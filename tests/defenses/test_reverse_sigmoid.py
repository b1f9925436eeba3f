"""Reverse Sigmoid against answers that were computed elsewhere."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.reverse_sigmoid import ReverseSigmoid
from edgeguard.errors import UsageError
from tests.defenses.backends import numpy_answer, onnx_answer


@pytest.mark.reference
@pytest.mark.parametrize(
    ("classes", "beta", "gamma"), [(10, 0.08, 0.1), (10, 0.64, 0.1), (100, 0.08, 0.2), (100, 0.64, 0.2)]
)
def test_it_equals_the_independent_answers(reference: Path, classes: int, beta: float, gamma: float) -> None:
    golden = np.load(reference / "golden" / "defense_answers_float64.npz")
    expected = golden[f"rs{classes}_beta{beta:g}_gamma{gamma:g}"]
    logits = golden[f"logits{classes}"]
    head, defense = Head("logits", classes), Defense(ReverseSigmoid(beta, gamma))
    assert np.abs(numpy_answer(head, defense, np.float64)(logits.astype(np.float64)) - expected).max() <= 1e-9
    assert np.abs(numpy_answer(head, defense)(logits.astype(np.float32)) - expected).max() <= 1e-6
    assert np.abs(onnx_answer(head, defense)(logits.astype(np.float32)) - expected).max() <= 1e-6


def test_a_posterior_worked_out_by_hand() -> None:
    # p = (0.8, 0.2), beta = 1, gamma = 1: odds 4 are clipped to 1, so r = 0; odds 1/4 give
    # sigmoid(log 1/4) - 1/2 = 1/5 - 1/2 = -3/10. p - r = (0.8, 0.5), divided by 1.3.
    logits = np.array([[math.log(4), 0.0]])
    answer = numpy_answer(Head("logits", 2), Defense(ReverseSigmoid(1.0, 1.0)), np.float64)(logits)
    np.testing.assert_allclose(answer, [[0.8 / 1.3, 0.5 / 1.3]], rtol=1e-9)


@pytest.mark.parametrize("parameters", [{"beta": 0.0}, {"beta": 11.0}, {"gamma": -1.0}, {"gamma": math.nan}])
def test_parameters_out_of_range_are_named(parameters: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(parameters))):
        ReverseSigmoid(**parameters)
