from __future__ import annotations

import numpy as np
import pytest

from edgeguard.attacks.readings.copies import mirrored, moved
from edgeguard.attacks.readings.registry import STRATEGIES
from edgeguard.attacks.readings.smoothing import SMOOTHING
from edgeguard.attacks.strategy import Strategy
from edgeguard.errors import UsageError
from tests.attacks.stubs import SHAPE, RidgeTrainer, images, linear_victim, oracle_of, thief_with


def test_copies_are_mirrored_and_moved_by_a_sixteenth_with_repeated_edges() -> None:
    image = images(64, shape=(2, 32, 16))
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(mirrored(image, rng)[:, :, :, 3], image[:, :, :, 12])
    found = moved(image, rng)
    assert found.shape == image.shape
    seen = set()
    for one, other in zip(image, found, strict=True):
        for down in (-2, 2):
            for right in (-1, 1):
                framed = np.pad(one, ((0, 0), (2, 2), (1, 1)), mode="edge")
                if np.array_equal(framed[:, 2 + down : 34 + down, 1 + right : 17 + right], other):
                    seen.add((down, right))
                    break
            else:
                continue
            break
        else:
            pytest.fail("moved otherwise")
    assert len(seen) == 4


def test_smoothing_teaches_the_mean_of_what_it_asked() -> None:
    oracle, asked = oracle_of(linear_victim()), images(20)
    transfer = SMOOTHING.asking(oracle, asked, 5)
    assert oracle.asked == transfer.queries == 80 == SMOOTHING.cost * 20
    assert transfer.again.shape == (20, 3, 10)
    np.testing.assert_allclose(transfer.answers, linear_victim()(asked), rtol=1e-5)
    np.testing.assert_allclose(transfer.again[:, 0], linear_victim()(asked[..., ::-1]), rtol=1e-5)
    lesson = SMOOTHING.reading(transfer, thief_with(RidgeTrainer()))
    np.testing.assert_allclose(lesson.targets, (transfer.answers + transfer.again.sum(axis=1)) / 4, rtol=1e-5)
    np.testing.assert_array_equal(lesson.inputs, asked)
    again = SMOOTHING.asking(oracle, asked, 5)
    np.testing.assert_array_equal(again.again, transfer.again)


@pytest.mark.parametrize("strategy", [entry for entry in STRATEGIES.values() if entry.cost > 1], ids=lambda e: e.name)
def test_only_images_have_copies(strategy: Strategy) -> None:
    with pytest.raises(UsageError, match="only images"):
        strategy.asking(oracle_of(lambda x: x, shape=(5,)), np.zeros((3, 5), np.float32), 0)


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_every_strategy_costs_what_it_says_and_reads_without_knowing_a_defense(strategy: Strategy) -> None:
    oracle = oracle_of(linear_victim(2), 9 * strategy.cost)
    transfer = strategy.asking(oracle, images(9), 0)
    assert oracle.left == 0
    assert transfer.queries == 9 * strategy.cost
    lesson = strategy.reading(transfer, thief_with(RidgeTrainer()))
    assert lesson.inputs.shape[1:] == SHAPE
    np.testing.assert_array_equal(lesson.inputs, transfer.inputs[lesson.kept])
    np.testing.assert_allclose(lesson.targets.sum(axis=1), 1, atol=1e-5)
    assert STRATEGIES[strategy.name] is strategy
