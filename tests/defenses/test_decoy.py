"""Decoy: a codebook that points to keyed classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.defenses.codebook import Codebook
from edgeguard.defenses.decoy import Decoy
from edgeguard.defenses.decoys import attractors, derangements
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.rows import GRID_STEP
from edgeguard.errors import UsageError
from tests.defenses.backends import numpy_answer, onnx_answer
from tests.defenses.fitted import GRID, key
from tests.defenses.strategies import CLASSES

STARTS = (-128, 0)
CONFIDENCES = (0.6, 0.9)


def fitted(classes: int, seed: int = 0, **parameters: Any) -> Decoy:
    made = Decoy(levels=2, **parameters).drawn(key(seed), classes)
    return replace(made, starts=STARTS, confidences=CONFIDENCES)


@pytest.mark.parametrize("backend", [numpy_answer, onnx_answer], ids=["numpy", "onnx"])
def test_rows_worked_out_by_hand(backend: type) -> None:
    """strength 1/2: b = (1 - a)/2 + (1 - a)/6 of four classes, the rest is shared by two."""
    made = Decoy(2, 0.5, starts=STARTS, confidences=CONFIDENCES, decoys=((1, 2, 3, 0), (3, 0, 1, 2)))
    peaks = (np.array([-1, 0]) - GRID.zero) * GRID.scale
    logits = np.stack([peaks - 1, peaks, peaks - 1, peaks - 1], axis=1).astype(np.float32)
    answers = backend(Head("logits", 4), Defense(made, None, GRID))(logits)
    b = [0.4 / 2 + 0.4 / 6, 0.1 / 2 + 0.1 / 6]
    rest = [(0.4 - b[0]) / 2, (0.1 - b[1]) / 2]
    np.testing.assert_allclose(answers[0], [rest[0], 0.6, b[0], rest[0]], atol=1e-6)
    np.testing.assert_allclose(answers[1], [b[1], 0.9, rest[1], rest[1]], atol=1e-6)


@pytest.mark.parametrize("classes", CLASSES[1:])
def test_without_strength_it_is_a_codebook(classes: int) -> None:
    plain = Codebook(2, STARTS, CONFIDENCES).table_rows(classes)
    np.testing.assert_allclose(fitted(classes, strength=0.0).table_rows(classes).matrix, plain.matrix, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    classes=st.sampled_from(CLASSES[:-1]),
    strength=st.floats(0, 1),
    ceiling=st.floats(0.501, 1),
    confidences=st.tuples(st.floats(1e-3, 1), st.floats(1e-3, 1)),
    mode=st.sampled_from(["derangement", "attractor"]),
    seed=st.integers(0, 50),
)
def test_any_parameters_give_rows_whose_class_leads(
    classes: int, strength: float, ceiling: float, confidences: tuple[float, float], mode: str, seed: int
) -> None:
    made = replace(
        fitted(classes, seed, strength=strength, ceiling=ceiling, mode=mode), confidences=confidences
    ).table_rows(classes)
    matrix = made.matrix.astype(np.float64)
    assert np.abs(matrix.sum(axis=1) - 1).max() < 1e-6
    assert matrix.min() >= 0
    ordered = np.sort(matrix, axis=1)
    assert (ordered[:, -1] - ordered[:, -2] >= 2 * GRID_STEP - 1e-6).all()
    if classes > 2:
        assert (matrix.max(axis=1) <= max(ceiling, 2 / classes) + 1e-6).all()


@pytest.mark.parametrize("classes", CLASSES)
def test_the_key_chooses_the_decoys(classes: int) -> None:
    made = Decoy().drawn(key(1), classes)
    assert np.array(made.decoys).tolist() == derangements(key(1), classes, 4).tolist()
    assert made == Decoy().drawn(key(1), classes)
    if classes > 3:
        assert made.decoys != Decoy().drawn(key(2), classes).decoys
    # What is dropped where few levels could be fitted changes nothing for the others.
    assert Decoy(2).drawn(key(1), classes).decoys == made.decoys[:2]


@pytest.mark.parametrize("classes", CLASSES)
def test_an_attractor_is_the_decoy_of_all_but_itself(classes: int) -> None:
    table = np.array(Decoy(mode="attractor").drawn(key(3), classes).decoys)
    first, second = attractors(key(3), classes)
    assert (table[:, first] == second).all()
    assert (np.delete(table, first, axis=1) == first).all()


def test_the_decoy_is_the_second_largest_entry() -> None:
    rows = fitted(10).table_rows(10)
    ordered = np.argsort(-rows.matrix, axis=1)
    assert rows.seconds is not None
    assert (ordered[:, 1] == rows.seconds.reshape(-1)).all()


def test_it_says_when_it_was_never_fitted_or_drawn() -> None:
    with pytest.raises(UsageError, match=r"never fitted.*--validation"):
        Defense(Decoy(2).drawn(key(), 3)).behind(Head("logits", 3))
    undrawn = Decoy(2, starts=STARTS, confidences=CONFIDENCES)
    with pytest.raises(UsageError, match=r"never drawn.*--key"):
        Defense(undrawn).behind(Head("logits", 3))
    with pytest.raises(UsageError, match="never drawn"):
        Defense(fitted(4)).behind(Head("logits", 3))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"levels": 0}, "levels"),
        ({"strength": -0.1}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"ceiling": 0.5}, "ceiling"),
        ({"ceiling": 1.1}, "ceiling"),
        ({"mode": "random"}, "mode must be derangement or attractor, not 'random'"),
    ],
)
def test_parameters_outside_their_ranges(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Decoy(**parameters)
