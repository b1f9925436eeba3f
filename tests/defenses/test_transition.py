"""The keyed transition matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.transition import Transition
from edgeguard.errors import UsageError
from tests.defenses.backends import numpy_answer, onnx_answer
from tests.defenses.fitted import key
from tests.defenses.strategies import CLASSES, every_kind

Array = np.ndarray[Any, Any]

BOTH = pytest.mark.parametrize("backend", [numpy_answer, onnx_answer], ids=["numpy", "onnx"])


def matrix(made: Transition) -> Array:
    """The row-stochastic matrix."""
    classes = len(made.sources)
    result = np.eye(classes) * (1 - made.strength)
    for target, source in enumerate(made.sources):
        result[source, target] += made.strength
    return result


@BOTH
def test_answers_worked_out_by_hand(backend: Any) -> None:
    logits = np.log([[0.7, 0.2, 0.1]]).astype(np.float32)
    answer = backend(Head("logits", 3), Defense(Transition(0.25, (1, 2, 0))))(logits)
    expected = [0.75 * 0.7 + 0.25 * 0.2, 0.75 * 0.2 + 0.25 * 0.1, 0.75 * 0.1 + 0.25 * 0.7]
    np.testing.assert_allclose(answer[0], expected, atol=1e-7)


@BOTH
@pytest.mark.parametrize("classes", CLASSES)
def test_it_is_the_product_with_the_matrix(backend: Any, classes: int) -> None:
    made = Transition(0.3).drawn(key(), classes)
    logits = every_kind(classes, seed=0)
    expected = NumpyOps(np.float64).softmax(logits) @ matrix(made)
    assert (matrix(made).sum(axis=1) == 1).all()
    assert np.abs(backend(Head("logits", classes), Defense(made))(logits) - expected).max() < 1e-6


def test_one_linear_system_undoes_it() -> None:
    """The attack that the class names: K known pairs give the matrix, and with it any posterior."""
    made = Transition(0.45).drawn(key(), 10)
    logits = np.random.default_rng(0).normal(0, 3, (20, 10)).astype(np.float32)
    posteriors = NumpyOps(np.float64).softmax(logits)
    answers = numpy_answer(Head("logits", 10), Defense(made), np.float64)(logits)
    found = np.linalg.solve(posteriors[:10], answers[:10])
    assert np.abs(answers[10:] @ np.linalg.inv(found) - posteriors[10:]).max() < 1e-6


def test_the_key_draws_the_sources() -> None:
    for classes in CLASSES:
        one = Transition().drawn(key(1), classes)
        assert one == Transition().drawn(key(1), classes)
        assert sorted(one.sources) == list(range(classes))
        assert all(source != target for target, source in enumerate(one.sources))
    assert Transition().drawn(key(1), 10).sources != Transition().drawn(key(2), 10).sources


def test_there_is_nothing_to_decide() -> None:
    assert np.isinf(Transition().margin(np.array([[0.5, 0.5]]))).all()


def test_it_says_when_it_was_never_drawn() -> None:
    head, raw = Head("logits", 3), np.zeros((1, 3), np.float32)
    for made in (Transition(), Transition().drawn(key(), 4)):
        with pytest.raises(UsageError, match=r"never drawn.*--key"):
            numpy_answer(head, Defense(made))(raw)


@pytest.mark.parametrize("strength", [0.0, 0.5, -0.1, float("nan")])
def test_parameters_outside_their_ranges(strength: float) -> None:
    with pytest.raises(UsageError, match="strength must lie in"):
        Transition(strength)


@pytest.mark.parametrize("sources", [(0, 1), (1, 1), (1, 2), (1, 0, 2), (0,), (-1, 0)])
def test_sources_that_cannot_be(sources: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="no derangement"):
        Transition(sources=sources)
