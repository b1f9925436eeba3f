"""Codebook: rows by level and class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeguard.defenses.codebook import MOST_LEVELS, Codebook
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.rows import GRID_STEP, least_confidence
from edgeguard.errors import UsageError
from tests.defenses.backends import numpy_answer, onnx_answer
from tests.defenses.fitted import GRID, response
from tests.defenses.strategies import CLASSES, every_kind

FITTED = Codebook(starts=(-128, 0, 60), confidences=(0.55, 0.8, 1.0))


@pytest.mark.parametrize("backend", [numpy_answer, onnx_answer], ids=["numpy", "onnx"])
def test_rows_worked_out_by_hand(backend: type) -> None:
    """Steps of the largest logits: -21 (first level), 0 and 59 (second), 60 and 127 (third)."""
    peaks = (np.array([-21, 0, 59, 60, 127]) - GRID.zero) * GRID.scale
    logits = np.stack([peaks - 10, peaks, peaks - 5], axis=1).astype(np.float32)
    answers = backend(Head("logits", 3), Defense(FITTED, None, GRID))(logits)
    expected = [[0.225, 0.55, 0.225], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0, 1, 0], [0, 1, 0]]
    np.testing.assert_allclose(answers, expected, atol=1e-7)


@pytest.mark.parametrize("classes", CLASSES)
def test_there_are_as_many_answers_as_rows(classes: int) -> None:
    made = response("codebook", classes)
    fitted = Defense(made, None, GRID)
    answers = numpy_answer(Head("logits", classes), fitted)(
        np.concatenate([every_kind(classes, seed) for seed in range(20)])
    )
    assert fitted.distinct_answers(classes) == 4 * classes
    assert len(np.unique(answers, axis=0)) <= 4 * classes


@pytest.mark.parametrize("classes", CLASSES)
def test_a_low_confidence_is_raised_until_the_class_leads(classes: int) -> None:
    unsure = replace(FITTED, confidences=(1e-3, 1e-3, 0.9))
    rows = unsure.table_rows(classes)
    assert rows.top[:2] == pytest.approx(least_confidence(classes))
    assert rows.top[2] == pytest.approx(max(0.9, least_confidence(classes)))
    assert (rows.top - rows.rest >= 2 * GRID_STEP - 1e-9).all()


def test_it_says_when_it_was_never_fitted() -> None:
    with pytest.raises(UsageError, match=r"never fitted.*--validation"):
        Defense(Codebook()).behind(Head("logits", 3))


@pytest.mark.parametrize("levels", [0, MOST_LEVELS + 1])
def test_parameters_outside_their_ranges(levels: int) -> None:
    with pytest.raises(UsageError, match="levels must lie in"):
        Codebook(levels)
