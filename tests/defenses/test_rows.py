"""Levels of confidence, and tables of answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.rows import GRID_STEP, Levels, Rows, least_confidence
from edgeguard.errors import UsageError
from tests.defenses.strategies import CLASSES, SEEDS

Array = np.ndarray[Any, Any]


def with_decoys(classes: int, levels: int, rng: np.random.Generator) -> Rows:
    """Random rows whose class leads every other by two grid steps."""
    top = rng.uniform(max(0.51, least_confidence(classes)), 1, levels)
    second = rng.uniform((1 - top) / (classes - 1), np.minimum(1 - top, top - 2 * GRID_STEP))
    if classes == 2:
        second = 1 - top
    shift = rng.integers(1, classes, (levels, classes))
    return Rows(classes, top, second, (np.arange(classes) + shift) % classes)


def test_a_level_begins_at_its_start() -> None:
    levels = Levels((-100, -5, 0, 127), (0.5, 0.6, 0.7, 0.8))
    assert levels.of(np.array([-128, -100, -6, -5, -1, 0, 126, 127])).tolist() == [0, 0, 0, 1, 1, 2, 2, 3]
    assert levels.of(np.array([[-5], [127]])).tolist() == [[1], [3]]
    assert levels.by_step().tolist() == levels.of(np.arange(-128, 128)).tolist()
    assert len(levels) == 4


@pytest.mark.parametrize(
    ("starts", "confidences", "said"),
    [
        ((), (), "never fitted.*--validation"),
        ((0, 1), (0.5,), "never fitted"),
        ((1, 0), (0.5, 0.6), r"cannot start at \[1, 0\]"),
        ((0, 0), (0.5, 0.6), "cannot start"),
        ((-129, 0), (0.5, 0.6), "cannot start"),
        ((0, 128), (0.5, 0.6), "cannot start"),
        ((0,), (0.0,), r"confidences must lie in \(0, 1\]"),
        ((0,), (1.1,), "confidences"),
        ((0,), (float("nan"),), "confidences"),
    ],
)
def test_levels_that_cannot_be(starts: tuple[int, ...], confidences: tuple[float, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Levels(starts, confidences)


@settings(max_examples=60, deadline=None)
@given(classes=st.sampled_from(CLASSES[:-1]), levels=st.integers(1, 16), decoys=st.booleans(), seed=SEEDS)
def test_every_row_is_an_answer_whose_class_leads(classes: int, levels: int, decoys: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    top = rng.uniform(least_confidence(classes), 1, levels)
    made = with_decoys(classes, levels, rng) if decoys else Rows(classes, top, np.zeros(levels), None)
    matrix = made.matrix
    assert matrix.dtype == np.float32
    assert matrix.shape == (levels * classes, classes)
    assert matrix.min() >= 0
    assert np.abs(matrix.sum(axis=1, dtype=np.float64) - 1).max() <= 1e-6
    assert (matrix.argmax(axis=1) == np.tile(np.arange(classes), levels)).all()
    ordered = np.sort(np.rint(matrix / np.float32(GRID_STEP)), axis=1)
    assert (ordered[:, -1] > ordered[:, -2]).all()
    rest, indices, values = made.entries
    assert (NumpyOps().place(rest, indices, values, classes) == matrix).all()
    assert (values >= rest).all()


def test_rows_worked_out_by_hand() -> None:
    plain = Rows(3, np.array([0.5, 1.0]), np.zeros(2), None)
    np.testing.assert_allclose(
        plain.matrix,
        [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1]],
    )
    decoys = Rows(4, np.array([0.5]), np.array([0.3]), np.array([[1, 0, 3, 2]]))
    np.testing.assert_allclose(decoys.matrix[0], [0.5, 0.3, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(decoys.matrix[2], [0.1, 0.1, 0.5, 0.3], rtol=1e-6)


def test_of_two_classes_the_decoy_takes_all_that_is_left() -> None:
    rows = Rows(2, np.array([0.75]), np.array([0.25]), np.array([[1, 0]]))
    assert rows.rest.tolist() == [0.0]
    np.testing.assert_allclose(rows.matrix, [[0.75, 0.25], [0.25, 0.75]])


@pytest.mark.parametrize("classes", CLASSES)
def test_the_least_confidence_leads_by_two_grid_steps(classes: int) -> None:
    least = least_confidence(classes)
    assert least - (1 - least) / (classes - 1) == pytest.approx(2 * GRID_STEP)
    Rows(classes, np.array([least]), np.zeros(1), None)
    with pytest.raises(UsageError, match="level 0 answers with"):
        Rows(classes, np.array([least - 1e-4]), np.zeros(1), None)


def test_decoys_that_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"level 1 answers with 0\.5000"):
        Rows(3, np.array([0.9, 0.5]), np.array([0.1, 0.499]), np.array([[1, 2, 0]] * 2))
    with pytest.raises(UsageError, match=r"level 0 answers with 0\.1000 for the decoy and 0\.2000 for others"):
        Rows(4, np.array([0.5]), np.array([0.1]), np.array([[1, 2, 3, 0]]))
    with pytest.raises(UsageError, match="the class itself"):
        Rows(3, np.array([0.9]), np.array([0.1]), np.array([[1, 1, 0]]))


def test_units_are_told_from_others() -> None:
    assert Rows(3, np.ones(1), np.zeros(1), None).units
    assert not Rows(3, np.array([0.9]), np.zeros(1), None).units
    assert not Rows(3, np.ones(2), np.zeros(2), None).units
    assert not Rows(3, np.ones(1), np.zeros(1), np.array([[1, 2, 0]])).units
