"""Strategies that train students on the way, with a real one."""

from __future__ import annotations

import numpy as np
import pytest

from edgeguard.attacks.prior import posteriors_of
from edgeguard.attacks.queries.registry import QUERIES, find_queries
from edgeguard.attacks.readings.registry import find_strategy
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.stealing import steal
from edgeguard.attacks.students.registry import Student
from edgeguard.attacks.thief import Thief
from edgeguard.attacks.training import predict, train
from edgeguard.attacks.transfer import Pool
from edgeguard.errors import UsageError
from tests.attacks.stubs import images, linear_logits, oracle_of

SHAPE = (1, 16, 16)


@pytest.mark.parametrize("queries", QUERIES)
@pytest.mark.parametrize("strategy", ["s4l", "confident-learning"])
def test_a_lenet_is_stolen_from_beginning_to_end(queries: str, strategy: str) -> None:
    thief = Thief(Student("lenet", 2), Recipe(epochs=1, batch=32), train)
    pool = Pool(images(150, shape=SHAPE), np.arange(150) % 3)
    oracle = oracle_of(lambda x: posteriors_of(linear_logits(x, 4)), 130, shape=SHAPE)
    stolen = steal(oracle, pool, 130, find_queries(queries), find_strategy(strategy), thief)
    assert oracle.left == 0
    assert len(stolen.transfer) == 130
    assert predict(stolen.clone, pool.inputs).shape == (150, 4)


def test_refuses_query_strategies_that_there_are_not() -> None:
    with pytest.raises(UsageError, match="no query strategy 'psychic'"):
        find_queries("psychic")
