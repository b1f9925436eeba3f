"""Every image is a query: counted, refused beyond the budget, and never remembered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.attacks.black_box import BlackBox
from edgeguard.attacks.oracle import BudgetSpent, Oracle
from edgeguard.errors import BadData, BadModel, UsageError

Array = np.ndarray[Any, Any]


class Counted:
    """A victim that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Array] = []

    def __call__(self, inputs: Array) -> Array:
        self.asked.append(inputs)
        return np.tile(np.float32([0.25, 0.75]), (len(inputs), 1))

    @property
    def box(self) -> BlackBox:
        return BlackBox("victim", self, (1, 2, 2), None)


def queries(count: int) -> Array:
    return np.zeros((count, 1, 2, 2), np.float32)


@given(st.lists(st.integers(0, 600), max_size=6), st.integers(0, 1500))
def test_images_are_counted_until_the_budget_is_spent(counts: list[int], budget: int) -> None:
    victim = Counted()
    oracle = Oracle(victim.box, budget)
    for count in counts:
        before = oracle.asked
        if count > budget - before:
            with pytest.raises(BudgetSpent, match=f"{budget - before} are left"):
                oracle.ask(queries(count))
            assert oracle.asked == before
        else:
            assert len(oracle.ask(queries(count))) == count
            assert oracle.asked == before + count
    assert oracle.left == budget - oracle.asked
    # What was refused never reached the victim.
    assert sum(map(len, victim.asked)) == oracle.asked


def test_the_same_image_is_paid_for_again() -> None:
    victim = Counted()
    oracle = Oracle(victim.box, 2)
    oracle.ask(queries(1))
    oracle.ask(queries(1))
    assert (oracle.asked, oracle.left, len(victim.asked)) == (2, 0, 2)


def test_without_a_budget_there_is_no_end() -> None:
    oracle = Oracle(Counted().box)
    oracle.ask(queries(1000))
    assert (oracle.asked, oracle.left) == (1000, None)


def test_answers_are_the_victims_own() -> None:
    given_inputs = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    box = BlackBox("victim", lambda inputs: inputs.reshape(len(inputs), 4) / 100, (1, 2, 2), None)
    np.testing.assert_array_equal(Oracle(box).ask(given_inputs), given_inputs.reshape(3, 4) / np.float32(100))


@pytest.mark.parametrize("shape", [(3, 2, 2), (3, 2, 2, 1), (3, 1, 2)])
def test_other_shapes_are_no_queries(shape: tuple[int, ...]) -> None:
    victim = Counted()
    with pytest.raises(BadData, match="the victim takes"):
        Oracle(victim.box).ask(np.zeros(shape, np.float32))
    assert not victim.asked


def test_a_victim_must_answer_each_query_with_a_row() -> None:
    with pytest.raises(BadModel, match="answers 3 queries"):
        Oracle(BlackBox("odd", lambda _: np.zeros((1, 2), np.float32), (1, 2, 2), None)).ask(queries(3))
    with pytest.raises(BadData, match="not one row a query"):
        Oracle(BlackBox("odd", lambda _: np.zeros((3, 2, 2), np.float32), (1, 2, 2), None)).ask(queries(3))


def test_a_spent_budget_is_a_usage_error() -> None:
    assert issubclass(BudgetSpent, UsageError)
