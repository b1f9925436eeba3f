"""Gates: when they close, which wrong class they show, and what the answer is then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import SCORES, Cells, Gate, Score
from edgeguard.defenses.head import Head, Query
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.registry import DEFENSES
from edgeguard.defenses.response import TableResponse, is_table
from edgeguard.errors import UsageError
from tests.defenses.backends import numpy_answer, onnx_answer
from tests.defenses.fitted import GRID, cells, defense, gate
from tests.defenses.integers import cell_by_hand, steps_of
from tests.defenses.strategies import DTYPES, SEEDS, every_kind, head_of, held

Array = np.ndarray[Any, Any]

SCORED = pytest.mark.parametrize("score", SCORES)
CELLS = Cells(((1, -1, 0), (0, 1, -1), (-1, 0, 1), (-4, 1, 1)), (0, 5, 0, 1))
DRAWS = ((1, 2, 1, 2), (0, 2, 0, 2), (0, 1, 0, 1))


def asked(raw: Array, head: Head) -> Query[Array]:
    return Query(NumpyOps(), head, raw, GRID)


@settings(max_examples=80, deadline=None)
@given(classes=st.integers(2, 40), count=st.integers(1, 60), seed=SEEDS)
def test_a_cell_is_the_direction_farthest_along(classes: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    regions = cells(classes, rng, count)
    made = Gate("max-logit", 0.0, regions, tuple(((c + 1) % classes,) * len(regions) for c in range(classes)))
    steps = steps_of(classes, rng, 6)
    found = regions.of(steps)
    assert len(regions) == count
    assert found.tolist() == [cell_by_hand(regions, row) for row in steps]
    sums = steps @ regions.weights.astype(np.int64) + regions.bias.astype(np.int64)
    assert np.abs(sums).max() <= regions.bound < 1 << 24
    query = Query(NumpyOps(), Head("logits", classes, "int8", 0.1, 0), steps.astype(np.int8))
    numbered = np.arange(classes * len(regions)).reshape(classes, -1)
    assert (made.drawn(query, numbered) == numbered[steps.argmax(axis=1), found]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@SCORED
def test_it_closes_below_its_threshold(score: Score, dtype: str) -> None:
    head = head_of(dtype, 10)
    raw = held(np.concatenate([every_kind(10, seed) for seed in range(20)]), head)
    logits = raw.astype(np.float64)
    if head.scale is not None and head.zero_point is not None:
        logits = (logits - head.zero_point) * head.scale
    made = gate(score, 10, 1)
    peaks = GRID.steps(logits.max(axis=1))
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    if score == "max-logit":
        expected = peaks < made.threshold
    elif score == "per-class-max-logit":
        expected = peaks < np.array(made.thresholds)[raw.argmax(axis=1)]
    elif score == "max-probability":
        expected = 1 / shifted.sum(axis=1) < made.threshold
    else:
        expected = logits.max(axis=1) + np.log(shifted.sum(axis=1)) < made.threshold
    closed = made.closes(asked(raw, head))
    assert (closed == expected).all()
    assert 0.1 < closed.mean() < 0.9


@SCORED
@pytest.mark.parametrize("name", [name for name, kind in DEFENSES.items() if not is_table(kind)])
def test_a_gated_answer_has_two_entries_exchanged(name: str, score: Score) -> None:
    head, raw = Head("logits", 10), every_kind(10, seed=2)
    gated, plain = defense(name, head, score), defense(name, head)
    made = cast(Gate, gated.gate)
    query = asked(raw, head)
    closed, wrong = made.closes(query), made.drawn(query, made.table % 10)
    top = raw.argmax(axis=1)
    assert (wrong != top).all()
    expected = numpy_answer(head, plain)(raw)
    for row in np.flatnonzero(closed):
        here, there = top[row], wrong[row]
        expected[row, [here, there]] = expected[row, [there, here]]
    answers = numpy_answer(head, gated)(raw)
    assert (answers == expected).all()
    if plain.keeps_argmax:
        shown = np.where(closed, wrong, top)
        assert (answers[np.arange(len(raw)), shown] == answers.max(axis=1)).all()
    assert 0.1 < closed.mean() < 0.9


@SCORED
@pytest.mark.parametrize("backend", [numpy_answer, onnx_answer], ids=["numpy", "onnx"])
@pytest.mark.parametrize("name", [name for name, kind in DEFENSES.items() if is_table(kind)])
def test_a_gated_answer_is_an_honest_row_of_another_class(name: str, backend: Any, score: Score) -> None:
    head, raw = Head("logits", 10), every_kind(10, seed=2)
    gated = defense(name, head, score)
    response = cast(TableResponse, gated.response)
    levels, matrix = response.table_levels(), response.table_rows(10).matrix
    query = asked(raw, head)
    made = cast(Gate, gated.gate)
    closed, top = made.closes(query), raw.argmax(axis=1)
    cell = made.cells.of(GRID.steps(raw))
    honest = levels.of(GRID.steps(raw.max(axis=1))) * 10 + top
    row = np.where(closed, made.table[top, cell], honest)
    assert (row[closed] % 10 != top[closed]).all()
    assert (backend(head, gated)(raw) == matrix[row]).all()


def test_queries_near_each_other_get_the_same_wrong_class() -> None:
    """Within a cell nothing but the most likely class counts, and a step more or less seldom leaves a cell."""
    head = Head("logits", 10)
    made = gate("max-logit", 10, 1)
    rng = np.random.default_rng(0)
    steps = rng.integers(-60, 60, (1, 10)) + rng.integers(-1, 2, (200, 10))
    steps[:, 3] += 100
    same = made.cells.of(steps) == made.cells.of(steps[:1])
    assert same.mean() > 0.9
    answers = numpy_answer(head, Defense(defense("label", head).response, replace(made, threshold=200.0), GRID))(
        ((steps[same] - GRID.zero) * GRID.scale).astype(np.float32)
    )
    assert (answers == answers[0]).all()
    assert answers[0, 3] == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"score": "entropy"}, "no gate 'entropy'.*max-logit"),
        ({"draws": DRAWS[:2]}, "neither its cells nor its classes"),
        ({"draws": tuple(row[:3] for row in DRAWS)}, "neither its cells nor its classes"),
        ({"cells": Cells(((1, -1),) * 4, (0,) * 4)}, "neither its cells nor its classes"),
        ({"cells": Cells(CELLS.directions, (0,) * 3)}, "neither its cells nor its classes"),
        ({"cells": Cells((*CELLS.directions[:3], (1, -1)), CELLS.offsets)}, "neither its cells nor its classes"),
        ({"draws": ((3, 1, 1, 1), *DRAWS[1:])}, "its own class"),
        ({"draws": ((-1, 1, 1, 1), *DRAWS[1:])}, "its own class"),
        ({"thresholds": (1, 2, 3)}, "thresholds do not fit"),
        ({"score": "per-class-max-logit"}, "thresholds do not fit"),
        ({"score": "per-class-max-logit", "thresholds": (1, 2)}, "thresholds do not fit"),
    ],
)
def test_gates_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    good = Gate("max-logit", 0.0, CELLS, DRAWS)
    with pytest.raises(UsageError, match=said):
        replace(good, **changes)


def test_a_gate_must_fit_the_response_and_the_network() -> None:
    made = Gate("max-logit", 0.0, CELLS, DRAWS)
    label, posterior = (defense(name, Head("logits", 3)).response for name in ("label", "dcp"))
    for response in (label, posterior):
        Defense(response, made, GRID).behind(Head("logits", 3))
        with pytest.raises(UsageError, match="fitted for 3 classes, this network has 4"):
            Defense(response, made, GRID).behind(Head("logits", 4))
    beyond = replace(made, draws=((4, 5, 4, 5), *DRAWS[1:]))
    with pytest.raises(UsageError, match="rows that the response does not have"):
        Defense(label, beyond, GRID).behind(Head("logits", 3))
