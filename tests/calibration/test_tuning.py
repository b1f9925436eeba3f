"""Tuning: wishes that contradict themselves, and what a budget buys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeguard.calibration.binomial import least_images, most_losses, upper_bound
from edgeguard.calibration.tuning import Evidence, Tuned, Wish, tune
from edgeguard.defenses.decoy import Decoy
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.gate import SCORES, Score
from edgeguard.defenses.head import Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.defenses.registry import DEFENSES, configure, parameters
from edgeguard.errors import BadData, UsageError
from edgeguard.keys import MasterKey

Array = np.ndarray[Any, Any]

CLASSES = 10
KEY = MasterKey(bytes(range(32)))
FLOAT = Head("logits", CLASSES)
INTEGER = Head("logits", CLASSES, "uint8", 0.2, 88)
KEEPING = sorted(name for name, kind in DEFENSES.items() if kind.keeps_argmax)
TUNED = sorted(name for name, kind in DEFENSES.items() if kind.tuned)


def evidence(images: int = 2000, *, sure: float = 7.0, seed: int = 0, labels: bool = True) -> Evidence:
    """A network that is right nine times in ten, and surer where it is right; half of the queries are hard to it."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 2, (images, CLASSES)).astype(np.float32)
    truth = rng.integers(0, CLASSES, images)
    values[np.arange(images), truth] += rng.normal(sure, 2.5, images).astype(np.float32)
    queries = rng.normal(0, 2, (3000, CLASSES)).astype(np.float32)
    queries[np.arange(3000), rng.integers(0, CLASSES, 3000)] += rng.uniform(0, 10, 3000).astype(np.float32)
    return Evidence(_on_grid(values), truth if labels else None, None, _on_grid(queries), "queries")


def _on_grid(values: Array) -> Array:
    return (np.clip(np.rint(values / np.float32(0.2)), -88, 167) * np.float32(0.2)).astype(np.float32)


def wish(name: str, **changes: Any) -> Wish:
    return replace(Wish(configure(name, {}, CLASSES), key=KEY), **changes)


def lost(tuned: Tuned, seen: Evidence) -> int:
    """Counted here once more, in the head that is deployed."""
    steps = np.rint(seen.logits / 0.2 + 88).astype(np.uint8)
    answers = tuned.defense.answer(NumpyOps(), INTEGER, steps)
    return int((seen.right & (answers.argmax(axis=1) != seen.logits.argmax(axis=1))).sum())


@pytest.mark.parametrize("budget", [-0.1, 100, 250])
def test_impossible_budgets_are_refused(budget: float) -> None:
    with pytest.raises(UsageError, match="cannot be"):
        wish("decoy", budget=budget)


@pytest.mark.parametrize("name", TUNED)
def test_nothing_at_all_can_be_promised_only_by_what_keeps_the_argmax(name: str) -> None:
    with pytest.raises(UsageError, match="budget of 0"):
        wish(name, budget=0)


@pytest.mark.parametrize("budget", [None, 0])
def test_a_gate_asks_for_a_budget(budget: float | None) -> None:
    with pytest.raises(UsageError, match="for you to say") as refused:
        wish("decoy", score="max-logit", budget=budget)
    assert "--budget" in str(refused.value.fix)


def test_gates_and_keyed_defenses_ask_for_a_key() -> None:
    with pytest.raises(UsageError, match="from a key") as refused:
        wish("codebook", score="max-logit", budget=1.0, key=None)
    assert "keygen" in str(refused.value.fix)
    with pytest.raises(UsageError, match="draws from a key"):
        wish("decoy", key=None)


def test_a_budget_does_not_change_what_was_named() -> None:
    with pytest.raises(UsageError, match="decides beta"):
        wish("dcp", budget=1.0, chosen=frozenset({"beta"}))
    wish("dcp", budget=1.0, chosen=frozenset({"gamma"}))
    # A gate spends the budget instead.
    wish("dcp", budget=1.0, score="max-logit", chosen=frozenset({"beta"}))


def test_who_needs_validation_images() -> None:
    assert wish("codebook").needs_validation
    assert wish("label", budget=1.0, score="energy").needs_validation
    assert not wish("label", budget=0).needs_validation
    assert not wish("dcp").needs_validation


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("budget", [None, 0])
def test_without_a_budget_nothing_is_lost(name: str, budget: float | None) -> None:
    seen = evidence()
    tuned = tune(wish(name, budget=budget), seen, INTEGER)
    assert tuned.defense.gate is None
    assert tuned.defense.keeps_argmax
    assert (tuned.tuning.lost, tuned.tuning.bound, tuned.tuning.tuned) == (0, 0.0, "nothing")
    assert lost(tuned, seen) == 0
    assert tuned.warnings == ()


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("name", ["decoy", "codebook", "label", "top-k"])
def test_a_gate_stays_within_the_budget_and_says_what_it_does(name: str, score: Score) -> None:
    seen = evidence()
    tuned = tune(wish(name, budget=1.0, score=score), seen, INTEGER)
    tuning = tuned.tuning
    assert tuned.defense.gate is not None
    assert tuned.warnings == ()
    assert tuning.tuned == "gate"
    assert tuning.counted == "labels"
    assert 0 < tuning.lost == lost(tuned, seen) <= most_losses(2000, 0.01) == 12
    assert tuning.bound == pytest.approx(100 * upper_bound(tuning.lost, 2000))
    assert tuning.bound <= 1.0
    assert (tuning.reference, tuning.reference_images) == ("queries", 3000)
    assert tuning.reference_gated is not None
    assert tuning.reference_gated > 0.03
    assert tuning.wrong_class_bits is not None
    assert 1 < tuning.wrong_class_bits < np.log2(9)


def test_a_larger_budget_gates_more() -> None:
    seen = evidence()
    shares = [tune(wish("decoy", budget=b, score="max-logit"), seen, INTEGER).tuning for b in (0.5, 1.0, 2.0, 5.0)]
    gated = [tuning.reference_gated or 0.0 for tuning in shares]
    assert gated == sorted(gated)
    assert gated[0] < gated[-1]


@pytest.mark.parametrize("score", SCORES)
def test_too_few_images_open_the_gate_for_good_and_say_how_many_it_takes(score: Score) -> None:
    seen = evidence(least_images(0.005) - 1)
    tuned = tune(wish("decoy", budget=0.5, score=score), seen, INTEGER)
    assert tuned.defense.gate is None
    assert tuned.tuning.lost == 0
    assert tuned.tuning.tuned == "nothing"
    assert tuned.tuning.reference is None
    (warning,) = tuned.warnings
    assert warning.startswith("NO GATE: 597 validation images")
    assert "at least 598" in warning


def test_images_that_are_all_alike_cannot_be_gated() -> None:
    seen = evidence(1000)
    alike = replace(seen, logits=np.repeat(seen.logits[:1], 1000, axis=0), labels=np.zeros(1000, np.int64))
    (warning,) = tune(wish("decoy", budget=2.0, score="max-logit"), alike, INTEGER).warnings[-1:]
    assert "no validation image scores below" in warning


@pytest.mark.parametrize("labels", [True, False])
def test_without_labels_the_float_network_is_what_answers_are_held_against(labels: bool) -> None:
    seen = evidence()
    disagreeing = np.where(np.arange(2000) % 3 == 0, -1, seen.logits.argmax(axis=1))
    blind = replace(seen, labels=seen.labels if labels else None, float_top=disagreeing)
    tuned = tune(wish("decoy", budget=1.0, score="max-logit"), blind, INTEGER)
    assert tuned.tuning.counted == ("labels" if labels else "agreement")
    assert tuned.tuning.lost == lost(tuned, blind) <= 12
    if not labels:
        confidences = np.array(tuned.defense.response.confidences)  # type: ignore[attr-defined]
        # The network's own confidence, not its agreement, which is two thirds at every level.
        assert confidences[-1] > 0.95


def test_with_neither_labels_nor_a_float_network_every_answer_counts() -> None:
    seen = evidence(labels=False)
    tuned = tune(wish("decoy", budget=1.0, score="max-logit"), seen, INTEGER)
    assert tuned.tuning.counted == "every"
    assert 0 < tuned.tuning.lost <= 12


@pytest.mark.parametrize("budget", [1.0, 3.0])
@pytest.mark.parametrize("name", TUNED)
def test_a_parameter_is_tuned_within_the_budget_and_no_lower_than_need_be(name: str, budget: float) -> None:
    seen = evidence()
    tuned = tune(wish(name, budget=budget), seen, INTEGER)
    parameter, low, high = DEFENSES[name].tuned or ("", 0.0, 0.0)
    assert tuned.tuning.tuned == parameter
    assert tuned.tuning.lost == lost(tuned, seen) <= most_losses(2000, budget / 100)
    assert tuned.tuning.bound <= budget
    value = float(parameters(tuned.defense.response)[parameter])
    assert low <= value <= high
    step = (high - low) / 39
    if value + step <= high:
        more = replace(tuned.defense.response, **{parameter: round(value + step, 4)})  # type: ignore[type-var]
        beyond = replace(tuned, defense=Defense(more, None, tuned.defense.grid))
        assert lost(beyond, seen) > most_losses(2000, budget / 100)


@pytest.mark.parametrize("name", TUNED)
def test_a_parameter_that_cannot_be_shown_to_keep_the_budget_is_refused(name: str) -> None:
    with pytest.raises(BadData, match="cannot be shown"):
        tune(wish(name, budget=0.5), evidence(100), INTEGER)


@pytest.mark.parametrize("beta", [0.9, 1.2])
def test_gate_and_dcp_spend_one_budget_between_them(beta: float) -> None:
    seen = evidence()
    dcp = replace(configure("dcp", {}, CLASSES), beta=beta)  # type: ignore[type-var]
    alone = tune(Wish(dcp), seen, INTEGER)
    both = tune(Wish(dcp, "max-logit", 2.0, KEY, frozenset({"beta"})), seen, INTEGER)
    assert both.defense.gate is not None
    assert parameters(both.defense.response)["beta"] == beta
    assert lost(both, seen) == both.tuning.lost <= most_losses(2000, 0.02)
    assert lost(alone, seen) <= both.tuning.lost


def test_a_response_that_uses_the_budget_up_leaves_none_to_a_gate() -> None:
    seen = evidence()
    dcp = replace(configure("dcp", {}, CLASSES), beta=2.0)  # type: ignore[type-var]
    tuned = tune(Wish(dcp, "max-logit", 0.5, KEY, frozenset({"beta"})), seen, INTEGER)
    assert tuned.defense.gate is None
    assert "uses up the budget" in tuned.warnings[-1]


def test_a_network_too_good_to_be_true_is_doubted() -> None:
    """Right on all of 2,000 images: most likely it was trained on them. On 100 images that says nothing."""
    seen = evidence(sure=30.0)
    (warning,) = tune(wish("decoy"), seen, INTEGER).warnings
    assert "TRAINED" in warning
    assert "100.00%" in warning
    assert tune(wish("decoy"), evidence(100, sure=30.0), INTEGER).warnings == ()
    assert tune(wish("decoy"), replace(seen, labels=None), INTEGER).warnings == ()


def test_levels_are_those_of_images_that_are_not_gated() -> None:
    seen = evidence()
    tuned = tune(wish("decoy", budget=5.0, score="max-logit"), seen, INTEGER)
    plain = tune(wish("decoy"), seen, INTEGER)
    assert isinstance(tuned.defense.response, Decoy)
    assert isinstance(plain.defense.response, Decoy)
    assert tuned.defense.gate is not None
    assert tuned.defense.response.starts[1] > plain.defense.response.starts[1] > tuned.defense.gate.step
    assert tuned.defense.response.decoys == plain.defense.response.decoys


def test_decoys_are_cut_to_the_levels_that_few_images_allow() -> None:
    tuned = tune(wish("decoy"), evidence(60), INTEGER)
    assert isinstance(tuned.defense.response, Decoy)
    assert len(tuned.defense.response.starts) == len(tuned.defense.response.decoys) == 2
    assert tuned.defense.response.levels == 4


@pytest.mark.parametrize("score", SCORES)
def test_a_float_head_is_tuned_on_a_grid_of_its_own(score: Score) -> None:
    seen = evidence()
    tuned = tune(wish("decoy", budget=1.0, score=score), seen, FLOAT)
    grid = tuned.defense.grid
    assert grid is not None
    steps = grid.steps(seen.logits)
    assert steps.min() >= -128
    assert steps.max() <= 127
    assert steps.max() - steps.min() >= 253
    answers = tuned.defense.answer(NumpyOps(), FLOAT, seen.logits)
    assert tuned.tuning.lost == (seen.right & (answers.argmax(axis=1) != seen.logits.argmax(axis=1))).sum() <= 12


def test_the_same_key_tunes_alike_and_another_one_otherwise() -> None:
    seen = evidence()
    asked = wish("decoy", budget=1.0, score="max-logit")
    other = tune(replace(asked, key=MasterKey(bytes(32))), seen, INTEGER)
    assert tune(asked, seen, INTEGER) == tune(asked, seen, INTEGER)
    assert other.defense.gate is not None
    assert other.defense.gate.draws != tune(asked, seen, INTEGER).defense.gate.draws  # type: ignore[union-attr]
    assert other.tuning.lost == tune(asked, seen, INTEGER).tuning.lost
