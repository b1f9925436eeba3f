"""Keyed noise: exactly the same on every backend, and other noise for other queries and keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.noise import Noise, most_weight
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.errors import UsageError
from tests.defenses.backends import numpy_answer, onnx_answer
from tests.defenses.fitted import GRID, key
from tests.defenses.integers import query, steps_of
from tests.defenses.strategies import CLASSES, SEEDS, every_kind

Array = np.ndarray[Any, Any]

PRIME = 4093
BOTH = pytest.mark.parametrize("backend", [numpy_answer, onnx_answer], ids=["numpy", "onnx"])


def hashed(noise: Noise, steps: Array) -> list[list[int]]:
    """What each class of each query is moved by, 0 ... P - 1, in Python's integers."""
    found = []
    for row in steps.tolist():
        r = sum(k * (q + 128) for k, q in zip(noise.weights, row, strict=True)) % PRIME
        found.append([(a * r + b) % PRIME for a, b in zip(noise.factors, noise.offsets, strict=True)])
    return found


def answered(noise: Noise, steps: Array, posterior: Array) -> Array:
    """The answers in float64."""
    moved = posterior + noise.amplitude * (2 * np.array(hashed(noise, steps)) / (PRIME - 1) - 1)
    kept = np.maximum(moved, 1e-4)
    result: Array = kept / kept.sum(axis=1, keepdims=True)
    return result


def heaviest(classes: int) -> Noise:
    """The hash with the largest numbers that there can be."""
    return Noise(
        weights=(most_weight(classes),) * classes, factors=(PRIME - 1,) * classes, offsets=(PRIME - 1,) * classes
    )


@settings(max_examples=40, deadline=None)
@given(classes=st.sampled_from((*CLASSES, 16, 17, 65793)), heavy=st.booleans(), seed=SEEDS)
def test_every_number_of_the_hash_is_exact(classes: int, heavy: bool, seed: int) -> None:
    """Posteriors of zero leave nothing but the noise, and amplitude 1 gives it back whole."""
    many = classes > 1000
    rng = np.random.default_rng(seed)
    noise = heaviest(classes) if heavy or many else Noise().drawn(key(seed), classes)
    noise = replace(noise, amplitude=1.0)
    steps = steps_of(classes, rng, 1 if many else 6)
    asked = query(steps)
    asked.posterior = np.ones(steps.shape, np.float32)
    unnormalised: list[Array] = []

    class Watched(NumpyOps):
        def normalize(self, value: Array) -> Array:
            unnormalised.append(value)
            return super().normalize(value)

    asked.ops = Watched()
    noise.respond(asked)
    assert np.rint(unnormalised[-1].astype(np.float64) * (PRIME - 1) / 2).astype(int).tolist() == hashed(noise, steps)


@BOTH
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("heavy", [False, True])
def test_answers_are_those_of_the_formula(backend: Any, classes: int, heavy: bool) -> None:
    noise = heaviest(classes) if heavy else Noise.for_classes(classes).drawn(key(), classes)
    logits = every_kind(classes, seed=0)
    exact = NumpyOps(np.float64).softmax(logits)
    answers = backend(Head("logits", classes), Defense(noise, None, GRID))(logits)
    assert np.abs(answers - answered(noise, GRID.steps(logits), exact)).max() < 5e-6


@BOTH
def test_the_same_query_has_the_same_noise_and_another_other_noise(backend: Any) -> None:
    noise = Noise().drawn(key(), 10)
    answer = backend(Head("logits", 10), Defense(noise, None, GRID))
    logits = np.zeros((300, 10), np.float32)
    logits[:, 3] = 8
    same = answer(logits)
    assert np.abs(same - same[0]).max() < 1e-6
    # One logit one step higher, by turns up to 30: no posterior changes as much as the noise does.
    near = logits.copy()
    near[np.arange(300), np.arange(300) % 10] += 0.25 * (1 + np.arange(300) // 10 % 30)
    assert len(np.unique(np.round(answer(near), 4), axis=0)) > 250


def test_the_mean_over_many_queries_is_free_of_noise() -> None:
    """The attack that the class names: rounding hides the move from the posterior, not from the hash."""
    noise = Noise().drawn(key(), 10)
    rng = np.random.default_rng(0)
    logits = (rng.normal(0, 1, 10) + rng.uniform(-0.3, 0.3, (4000, 10))).astype(np.float32)
    ops = NumpyOps(np.float64)
    found = noise.amplitude * (2 * np.array(hashed(noise, GRID.steps(logits))) / (PRIME - 1) - 1)
    assert np.abs(found.mean(axis=0)).max() < 0.02
    assert found.std() == pytest.approx(noise.amplitude / np.sqrt(3), rel=0.05)
    assert ops.softmax(logits).std(axis=0).max() < 0.1


def test_the_key_draws_the_hash() -> None:
    for classes in CLASSES:
        one, other = (Noise().drawn(key(seed), classes) for seed in (1, 2))
        assert one == Noise().drawn(key(1), classes)
        assert (one.weights, one.factors, one.offsets) != (other.weights, other.factors, other.offsets)
        assert 1 <= min(one.weights) <= max(one.weights) <= most_weight(classes)
        assert 1 <= min(one.factors) <= max(one.factors) < PRIME
        assert 0 <= min(one.offsets) <= max(one.offsets) < PRIME
        logits = every_kind(classes, seed=0)
        head = Head("logits", classes)
        answers = [numpy_answer(head, Defense(noise, None, GRID))(logits) for noise in (one, other)]
        assert (answers[0] != answers[1]).any(axis=1).mean() > 0.9


def test_a_row_that_loses_everything_is_uniform() -> None:
    noise = Noise(1.0, weights=(1, 1), factors=(1, 1), offsets=(0, 0))
    steps = np.array([[-128, -128]])
    logits = ((steps - GRID.zero) * GRID.scale).astype(np.float32)
    answer = numpy_answer(Head("logits", 2), Defense(noise, None, GRID))(logits)
    assert hashed(noise, steps) == [[0, 0]]
    assert answer.tolist() == [[0.5, 0.5]]


def test_by_default_the_noise_of_many_classes_has_the_sum_of_few() -> None:
    assert [Noise.for_classes(classes).amplitude for classes in CLASSES] == [0.2, 0.2, 0.2, 0.02, 0.002]


def test_no_input_is_golden() -> None:
    assert (Noise().margin(np.array([[1.0, 0.0], [0.5, 0.5]])) == 0).all()


def test_weights_leave_room_for_every_sum() -> None:
    for classes in (*CLASSES, 65793):
        assert 255 * classes * most_weight(classes) < 1 << 24
    with pytest.raises(UsageError, match="65794 classes cannot be computed exactly"):
        most_weight(65794)


def test_it_says_when_it_was_never_drawn() -> None:
    head, raw = Head("logits", 3), np.zeros((1, 3), np.float32)
    for noise in (Noise(), Noise().drawn(key(), 4)):
        with pytest.raises(UsageError, match=r"never drawn.*--key"):
            numpy_answer(head, Defense(noise, None, GRID))(raw)


@pytest.mark.parametrize("amplitude", [0.0, -1.0, 1.1, float("nan")])
def test_parameters_outside_their_ranges(amplitude: float) -> None:
    with pytest.raises(UsageError, match="amplitude must lie in"):
        Noise(amplitude)
