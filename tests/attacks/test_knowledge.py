"""A thief's copy of a defense: the same parameters and what was fitted, another key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeguard.attacks.knowledge import NOTHING, knowledge_of
from edgeguard.calibration.gating import Threshold, fit_gate
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.decoy import Decoy
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Grid, Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.reverse_sigmoid import ReverseSigmoid
from edgeguard.defenses.rows import ONE_LEVEL
from edgeguard.keys import MasterKey

Array = np.ndarray[Any, Any]
GRID = Grid(0.1, 0)
OWNER = MasterKey(bytes(32))


def logits(count: int = 400, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((count, 10), np.float32) * 3


def answers(defense: Defense, given: Array) -> Array:
    return np.asarray(defense.answer(NumpyOps(), Head("logits", 10), given))


def decoy() -> Decoy:
    return Decoy(levels=2, starts=(20, 50), confidences=(0.5, 0.9)).drawn(OWNER, 10)


def shadow_of(defense: Defense) -> Any:
    shadow = knowledge_of(defense).shadow
    assert shadow is not None
    return shadow


def test_without_a_key_the_copy_is_the_defense() -> None:
    defense = Defense(Dcp(beta=1.2))
    np.testing.assert_array_equal(shadow_of(defense)(logits(), 5), answers(defense, logits()))


def test_who_knows_nothing_has_no_copy() -> None:
    assert NOTHING.shadow is None


def test_decoys_are_drawn_by_another_key_for_each_seed() -> None:
    defense = Defense(decoy(), None, GRID)
    own, first, second = answers(defense, logits()), shadow_of(defense)(logits(), 0), shadow_of(defense)(logits(), 1)
    # The same rows but for where the decoys' mass lies.
    np.testing.assert_allclose(np.sort(first, axis=1), np.sort(own, axis=1))
    np.testing.assert_array_equal(first.argmax(axis=1), own.argmax(axis=1))
    for other in (own, second):
        # Two derangements agree on a class with probability 1/9.
        assert (first == other).all(axis=1).mean() < 0.5
    np.testing.assert_array_equal(first, shadow_of(defense)(logits(), 0))


@pytest.mark.parametrize("response", [decoy(), ReverseSigmoid()], ids=["table", "posterior"])
def test_a_gate_closes_as_often_and_errs_otherwise(response: Decoy | ReverseSigmoid) -> None:
    threshold = Threshold("max-logit", 40.0)
    levels = response.table_levels() if isinstance(response, Decoy) else ONE_LEVEL
    gate = fit_gate(OWNER, threshold, logits(2000, 1), levels, logits(2000, 2), GRID).gate
    defense = Defense(response, gate, GRID)
    asked = logits(1000, 3)
    gated = GRID.steps(asked.max(axis=1)) < 40
    assert 0.1 < gated.mean() < 0.9
    own, copy = answers(defense, asked), shadow_of(defense)(asked, 0)
    for found in (own, copy):
        np.testing.assert_array_equal(found.argmax(axis=1) != asked.argmax(axis=1), gated)
    # The farthest of nine classes may be the same under two keys; by chance it is in a ninth of the cases.
    assert (own.argmax(axis=1) == copy.argmax(axis=1))[gated].mean() < 0.8
