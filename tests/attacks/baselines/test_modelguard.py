"""ModelGuard-W against its linear program, and ModelGuard-S against its rule."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.attacks.baselines.extreme import MARGIN, extreme_answers
from edgeguard.attacks.baselines.modelguard_s import ModelGuardS, Quantizer
from tests.attacks.baselines.programs import minimum
from tests.attacks.baselines.victims import posteriors

Array = np.ndarray[Any, Any]


def least(posterior: Array, epsilon: float) -> float | None:
    """The smallest value of the paper's objective, by enumeration of all vertices; ``None`` if nothing is feasible."""
    classes, top = len(posterior), int(posterior.argmax())
    unit = np.eye(classes)
    # |x - y| summed is the largest of the sums with any signs.
    rows = [(np.array(signs), epsilon + np.array(signs) @ posterior) for signs in signs_of(classes)]
    rows += [(-unit[other], 0.0) for other in range(classes)]
    rows += [(unit[other] - unit[top], -MARGIN) for other in range(classes) if other != top]
    return minimum(np.log(posterior + 1e-6), np.array([row for row, _ in rows]), np.array([bound for _, bound in rows]))


def signs_of(classes: int) -> list[tuple[float, ...]]:
    """Every sequence of signs but those that are all alike, which bound nothing: answers and posteriors sum to 1."""
    return [signs for signs in itertools.product((-1.0, 1.0), repeat=classes) if len(set(signs)) > 1]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    classes=st.integers(2, 4),
    epsilon=st.sampled_from((0.0, 0.01, 0.2, 0.7, 1.3, 1.9, 2.0)),
)
def test_modelguard_w_solves_its_program(seed: int, classes: int, epsilon: float) -> None:
    (posterior,) = posteriors(2, classes, seed)[1:]
    answer = extreme_answers(posterior[None], epsilon)[0]
    value = least(posterior, epsilon)
    if value is None:
        assert (answer == posterior).all()
    else:
        assert abs(np.log(posterior + 1e-6) @ answer - value) < 1e-7


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 30), epsilon=st.floats(0, 2))
def test_modelguard_w_keeps_within_its_constraints(seed: int, classes: int, epsilon: float) -> None:
    given_rows = posteriors(12, classes, seed)
    answers = extreme_answers(given_rows, epsilon)
    assert answers.min() >= 0
    assert np.abs(answers.sum(axis=1) - 1).max() < 1e-9
    assert np.abs(answers - given_rows).sum(axis=1).max() <= epsilon + 1e-9
    assert (answers.argmax(axis=1) == given_rows.argmax(axis=1)).all()


def test_modelguard_w_answers_as_one_works_out_by_hand() -> None:
    """Half of the budget goes from the top class to the least likely one; with all of it, both are alike."""
    posterior = np.array([[0.6, 0.39, 0.01]])
    assert np.allclose(extreme_answers(posterior, 0.4), [[0.4, 0.39, 0.21]])
    assert np.allclose(extreme_answers(posterior, 2.0), [[0.5, 0.0, 0.5]], atol=MARGIN)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 12), epsilon=st.floats(0, 2))
def test_modelguard_s_answers_with_the_first_code_that_is_near(seed: int, classes: int, epsilon: float) -> None:
    given_rows = posteriors(40, classes, seed)
    quantizer = Quantizer(classes, epsilon)
    answers = quantizer.answer(given_rows)
    seen: list[Array] = []
    for posterior, answer in zip(given_rows, answers, strict=True):
        alike = [code for code in seen if code.argmax() == posterior.argmax()]
        near = [code for code in alike if np.abs(code - posterior).sum() <= epsilon]
        assert (answer == (near[0] if near else posterior)).all()
        if not near:
            seen.append(posterior)
    assert (quantizer.answer(given_rows) == answers).all()


def test_modelguard_s_says_little() -> None:
    """With all of the budget there is one answer for each class."""
    given_rows = posteriors(500, 6, 1)
    answers = ModelGuardS(2.0).shadow(given_rows, 0)
    assert len(np.unique(answers, axis=0)) <= 6
    assert len(np.unique(ModelGuardS(0.0).shadow(given_rows, 0), axis=0)) > 300
