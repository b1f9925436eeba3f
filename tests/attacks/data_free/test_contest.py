"""Both attacks: every answer is bought, the budget is met exactly, and what is learned is the victim."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from edgeguard.attacks.data_free import contest
from edgeguard.attacks.data_free.contest import DataFreeAttack, Game, cosine
from edgeguard.attacks.data_free.losses import divergence
from edgeguard.attacks.data_free.registry import DATA_FREE, find_data_free
from edgeguard.attacks.data_free.settings import Settings, shares
from edgeguard.attacks.oracle import BudgetSpent, Oracle
from edgeguard.attacks.prior import posteriors_of
from edgeguard.attacks.training import predict
from edgeguard.errors import UsageError
from tests.attacks.data_free.contests import (
    CANVAS,
    CLASSES,
    SMALL_DFME,
    SMALL_MAZE,
    TINY_CANVAS,
    Counting,
    linear_student,
    thief,
)
from tests.attacks.stubs import images, linear_logits

# A constant answer agrees with the largest class, less than 0.33 of 1,000 images: six deviations of a share above that.
_MORE_THAN_CHANCE = 0.33 + 6 * math.sqrt(0.33 * 0.67 / 1000)
_ATTACKS = pytest.mark.parametrize("attack", [SMALL_DFME, SMALL_MAZE], ids=["dfme", "maze"])


@_ATTACKS
@pytest.mark.parametrize("extra", [0, 1, 40, 57, 101, 200])
def test_exactly_the_budget_is_asked_and_all_of_it_of_the_oracle(attack: DataFreeAttack, extra: int) -> None:
    """The seed's scripts asked an undefended copy behind the oracle's back; here the victim sees what is counted."""
    queries = attack.settings.student_queries + attack.settings.generator_queries + extra
    victim = Counting()
    oracle = Oracle(victim.box, queries)
    trained = thief()
    clone = attack(oracle, trained, queries, CANVAS)
    assert oracle.asked == len(victim.asked) == queries
    assert not trained.train.lessons  # type: ignore[attr-defined]
    assert not clone.training
    assert predict(clone, victim.asked[:3]).shape == (3, CLASSES)


@_ATTACKS
def test_every_query_is_an_image(attack: DataFreeAttack) -> None:
    victim = Counting()
    attack(Oracle(victim.box), thief(), 600, CANVAS)
    assert victim.asked.dtype == np.float32
    assert victim.asked.min() >= CANVAS.low[0]
    assert victim.asked.max() <= CANVAS.high[0]


@_ATTACKS
def test_less_than_a_round_is_refused_before_anything_is_asked(attack: DataFreeAttack) -> None:
    least = attack.settings.student_queries + attack.settings.generator_queries
    oracle = Oracle(Counting().box)
    with pytest.raises(UsageError, match=f"{least - 1} queries pay for no round of {least}"):
        attack(oracle, thief(), least - 1, CANVAS)
    assert oracle.asked == 0


def test_an_oracle_that_answers_less_ends_it() -> None:
    with pytest.raises(BudgetSpent):
        SMALL_DFME(Oracle(Counting().box, 100), thief(), 200, CANVAS)


def test_a_canvas_of_another_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="canvas"):
        SMALL_DFME(Oracle(Counting().box), thief(), 200, replace(CANVAS, shape=(1, 16, 15)))


def _weights(attack: DataFreeAttack, seed: int) -> torch.Tensor:
    clone = attack(Oracle(Counting().box), thief(seed), 300, CANVAS)
    return torch.cat([value.flatten() for value in clone.state_dict().values()])


@_ATTACKS
def test_a_seed_decides_everything_and_global_state_nothing(attack: DataFreeAttack) -> None:
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        before = torch.get_rng_state()
        first = _weights(attack, 0)
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(2)
        assert torch.equal(_weights(attack, 0), first)
    assert not torch.equal(_weights(attack, 1), first)
    assert torch.get_num_threads() == threads


@_ATTACKS
def test_a_clone_learns_the_victim(attack: DataFreeAttack, monkeypatch: pytest.MonkeyPatch) -> None:
    """On images that the thief never saw: noise, of which the largest class has less than a third."""
    monkeypatch.setattr(contest, "build", linear_student)
    quick = replace(attack, settings=replace(attack.settings, batch=16, student_rate=1e-2))
    clone = quick(Oracle(Counting(8).box), thief(), 6_000, TINY_CANVAS)
    shown = images(1000, seed=5, shape=TINY_CANVAS.shape)
    truth = linear_logits(shown, CLASSES).argmax(axis=1)
    assert np.bincount(truth).max() < 330
    assert (predict(clone, shown).argmax(axis=1) == truth).mean() > _MORE_THAN_CHANCE


@_ATTACKS
def test_random_answers_teach_nothing(attack: DataFreeAttack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "build", linear_student)
    rng = np.random.default_rng(3)
    box = replace(Counting(8).box, answer=lambda inputs: rng.dirichlet(np.ones(CLASSES), len(inputs)))
    clone = attack(Oracle(box), thief(), 2_000, TINY_CANVAS)
    shown = images(1000, seed=5, shape=TINY_CANVAS.shape)
    right = (predict(clone, shown).argmax(axis=1) == linear_logits(shown, CLASSES).argmax(axis=1)).mean()
    # A linear student that learnt nothing cuts space at random: its agreement spreads around a fifth.
    assert right < _MORE_THAN_CHANCE


@_ATTACKS
def test_the_generator_learns_where_they_disagree(attack: DataFreeAttack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a student that stands still, later queries show more of what it does not know than earlier ones."""
    monkeypatch.setattr(contest, "build", linear_student)
    # One direction would do, but takes more steps: its estimates are mostly noise.
    steps = {"batch": 16, "student_steps": 1, "directions": 8}
    still = replace(attack.settings, student_rate=1e-12, generator_rate=1e-2, **steps)
    victim = Counting(8)
    clone = replace(attack, settings=still)(Oracle(victim.box), thief(), 16_000, TINY_CANVAS)
    losses = attack.game.loss(
        torch.from_numpy(posteriors_of(linear_logits(victim.asked, CLASSES))),
        torch.from_numpy(predict(clone, victim.asked)),
    )
    early, late = losses[:1000], losses[-1000:]
    # Of 1,000 queries at least a tenth are independent: the generator's images are asked eight times more, beside it.
    error = math.sqrt(float(early.var() + late.var()) / 100)
    assert late.mean() > early.mean() + 6 * error


def test_rates_fall_along_a_cosine() -> None:
    assert [cosine(0), cosine(1 / 3), cosine(0.5), cosine(1)] == pytest.approx([1, 0.75, 0.5, 0])


def test_shares() -> None:
    assert shares(17, 5) == [4, 4, 3, 3, 3]
    assert shares(15, 5) == [3] * 5


@pytest.mark.parametrize(
    "changes", [{"batch": 1}, {"directions": 0}, {"epsilon": 0.0}, {"student_rate": -1.0}, {"student_steps": 0}]
)
def test_settings_that_teach_nothing(changes: dict[str, float]) -> None:
    good: Settings = SMALL_DFME.settings
    with pytest.raises(UsageError, match=next(iter(changes))):
        replace(good, **changes)  # type: ignore[arg-type]


def test_replays_need_a_memory() -> None:
    with pytest.raises(UsageError, match="2 replays of 0 batches"):
        Game(divergence, replays=2)


def test_names() -> None:
    assert set(DATA_FREE) == {"dfme", "maze"}
    assert find_data_free("maze") is DATA_FREE["maze"]
    with pytest.raises(UsageError, match="Choose one of: dfme, maze"):
        find_data_free("dcgan")
