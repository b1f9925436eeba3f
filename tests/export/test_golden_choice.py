"""Which inputs are golden, and how far an answer to one may be off."""

from __future__ import annotations

import io

import numpy as np
import pytest

import edgeguard.export.golden as golden
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.export.golden import MARGIN_STEPS, choose_goldens, decision_margin
from edgeguard.runtimes.goldens import Goldens
from tests.export.graphs import Array

STEP = 0.05
DEFENSES = [None, *(Defense(Dcp(beta)) for beta in (0.9, 0.5, 1.2))]


def logits(count: int = 400, classes: int = 10, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0, 2.5, (count, classes)).astype(np.float32)


def answers(values: Array, defense: Defense | None) -> Array:
    return PostProcessor(Head("logits", values.shape[1]), defense)(values)


def chosen(values: Array, defense: Defense | None, step: float = STEP) -> tuple[Goldens, Array]:
    """The goldens, and which candidates they are: each input is its own number."""
    inputs = np.arange(len(values), dtype=np.float32)[:, None]
    found = choose_goldens(inputs, values, answers(values, defense), step, defense)
    return found, found.inputs[:, 0].astype(int)


@pytest.mark.parametrize("defense", DEFENSES, ids=str)
def test_no_decision_lies_within_three_steps(defense: Defense | None) -> None:
    """Moving all logits by up to three steps, in the worst direction or any other, changes neither class nor gate."""
    values = logits().astype(np.float64)
    found, index = chosen(values, defense)
    assert len(found) == 32
    rng = np.random.default_rng(1)
    top = values[index].argmax(axis=1)
    worst = np.where(np.arange(10) == top[:, None], -1.0, 1.0)
    for signs in (worst, -worst, *rng.choice([-1.0, 1.0], (50, len(index), 10))):
        moved = values[index] + MARGIN_STEPS * STEP * 0.999 * signs
        assert (moved.argmax(axis=1) == top).all()
        if defense is not None and isinstance(defense.response, Dcp) and defense.response.beta < 1:
            gates = [answers(part, None).max(axis=1) > defense.response.beta for part in (moved, values[index])]
            assert (gates[0] == gates[1]).all()


def test_inputs_near_a_decision_are_left_out_and_others_are_not() -> None:
    """Lead of the argmax 2 m, so margin m; dcp's gate at odds of 9, as derived in dcp.py."""
    gap = 2 * MARGIN_STEPS * STEP
    near_gate = np.log(9) + 2 * STEP
    rows = np.array([[gap * 0.99, 0.0], [gap * 1.01, 0.0], [near_gate, 0.0], [near_gate + gap, 0.0]], np.float32)
    assert chosen(rows, None)[1].tolist() == [1, 2, 3]
    assert 2 not in chosen(rows, Defense(Dcp()))[1]
    assert 3 in chosen(rows, Defense(Dcp()))[1]
    assert decision_margin(rows, None).tolist() == pytest.approx((rows[:, 0] / 2).tolist())
    assert decision_margin(rows[2:3], Defense(Dcp()))[0] == pytest.approx(STEP, rel=1e-3)


def test_an_answer_whose_two_largest_entries_are_close_is_not_golden() -> None:
    """A strong DCP brings entries together: there a step may swap them although the logits are far apart."""
    values = logits()
    for defense in DEFENSES:
        found, _ = chosen(values, defense)
        two = np.sort(found.answers, axis=1)[:, -2:]
        assert (two[:, 1] - two[:, 0] > MARGIN_STEPS * found.tolerance).all()
    wide = np.array([[3.0, 0.0], [6.0, 0.0]], np.float32)
    tied = np.array([[0.5, 0.5], [0.9, 0.1]], np.float32)
    assert choose_goldens(wide, wide, tied, STEP, None).answers.tolist() == tied[1:].tolist()


@pytest.mark.parametrize("defense", DEFENSES, ids=str)
def test_a_device_that_is_one_step_off_stays_within_the_tolerance(defense: Defense | None) -> None:
    """Any signs, up to one step: the tolerance is found by trying, so random moves may exceed it by a little."""
    values = logits()
    found, index = chosen(values, defense)
    rng = np.random.default_rng(7)
    for _ in range(100):
        moved = values[index] + STEP * rng.choice([-1.0, 0.0, 1.0], (len(index), 10))
        off = np.abs(answers(moved.astype(np.float32), defense) - found.answers).max(axis=1)
        assert (off <= 1.1 * found.tolerance).all()


@pytest.mark.parametrize("defense", DEFENSES, ids=str)
def test_a_device_that_is_far_off_does_not(defense: Defense | None) -> None:
    values = logits()
    found, index = chosen(values, defense)
    wrong = answers(np.roll(values[index], 1, axis=1), defense)
    off = np.abs(wrong - found.answers).max(axis=1)
    assert (off > found.tolerance).mean() > 0.9
    # On an undecided input one step moves an entry by up to step / 2 = 0.025, on a certain one by nearly nothing.
    assert found.tolerance.max() <= 2 * STEP
    assert found.tolerance.min() >= 1e-5


def test_the_tolerance_of_two_classes_is_the_derivative() -> None:
    """p = sigmoid(z0 - z1): one step each, in opposite directions, moves p by 2 step p (1 - p)."""
    values = np.array([[1.0, 0.0]], np.float32)
    found, _ = chosen(values, None, 0.001)
    p = 1 / (1 + np.exp(-1.0))
    assert float(found.tolerance[0]) == pytest.approx(2 * 0.001 * p * (1 - p) + 1e-5, rel=0.01)


def test_goldens_are_spread_over_the_predicted_classes() -> None:
    values = logits(2000)
    values[:1500, 3] += 8
    _, index = chosen(values, None)
    counts = np.bincount(values[index].argmax(axis=1), minlength=10)
    assert (counts >= 3).all()
    assert counts.max() <= 4
    for label in range(10):
        margins = decision_margin(values, None)
        mine = np.flatnonzero(values.argmax(axis=1) == label)
        best = mine[np.argsort(-margins[mine])][: counts[label]]
        assert set(index[values[index].argmax(axis=1) == label]) == set(best)


def test_none_may_be_left() -> None:
    found, _ = chosen(np.zeros((20, 10), np.float32), None)
    assert len(found) == 0
    assert found.inputs.shape == (0, 1)
    assert found.answers.shape == (0, 10)
    assert found.tolerance.shape == (0,)


def test_large_inputs_do_not_make_a_large_file() -> None:
    """2 MiB, but never fewer than four: an input of 3 x 224 x 224 floats takes 588 KiB."""
    values = logits(50)
    inputs = np.zeros((50, 3, 224, 224), np.float32)
    assert len(choose_goldens(inputs, values, answers(values, None), STEP, None)) == 4
    inputs = np.zeros((50, 3, 96, 96), np.float32)
    assert len(choose_goldens(inputs, values, answers(values, None), STEP, None)) == (2 << 20) // (3 * 96 * 96 * 4)
    assert golden._MOST == 32


def test_the_file_holds_what_was_chosen() -> None:
    found, _ = chosen(logits(), Defense(Dcp()))
    with np.load(io.BytesIO(found.to_bytes()), allow_pickle=False) as content:
        assert sorted(content.files) == ["answers", "inputs", "tolerance"]
        for name in content.files:
            assert content[name].dtype == np.float32
            assert np.array_equal(content[name], getattr(found, name))


def test_the_choice_is_the_same_every_time() -> None:
    assert chosen(logits(), Defense(Dcp()))[0].to_bytes() == chosen(logits(), Defense(Dcp()))[0].to_bytes()
