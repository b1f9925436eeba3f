"""Ranks of classes in answers, what is taken off them, and that random keys gain nothing from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgeguard.attacks import chance as module
from edgeguard.attacks.chance import Enumerated, derangement_count, total_score
from edgeguard.attacks.ranks import Ranks, excess, rank_answers, table_of
from edgeguard.defenses.decoys import derangements
from edgeguard.keys import MasterKey
from tests.attacks.answers import KEY, Array, following
from tests.attacks.test_chance import MOST_BELOW_A_HUNDREDTH, MOST_BELOW_A_TENTH, brute_force, decoys_of_many


def ranked(answers: Array) -> Ranks:
    ranks = Ranks.none(answers.shape[1])
    rank_answers(ranks, answers)
    return ranks


def table_from(answers: Array) -> Array:
    return table_of(excess(ranked(answers)))


def network(seed: int, classes: int, *, peak: float = 0.0, queries: int = 2000, missing: int = 0) -> Array:
    """Logits of a network without decoys, of which some classes look alike, and some are never answered."""
    rng = np.random.default_rng(seed)
    alike = peak * rng.exponential(1.0, (classes, classes)) ** 2
    top = rng.integers(missing, classes, queries)
    logits = rng.standard_normal((queries, classes)) + (alike + alike.T)[top]
    logits[np.arange(queries), top] = logits.max() + 1
    return logits


@given(
    arrays(np.float32, st.tuples(st.integers(1, 30), st.just(6)), elements=st.sampled_from([-np.inf, 0, 1, 2, 3])),
    st.integers(6, 40),
)
def test_ranking_is_comparing(scores: Array, elements: int) -> None:
    doubled, answered, labels = np.zeros((6, 6), np.int64), np.zeros(6, np.int64), 0
    for row in scores.tolist():
        largest = row.index(max(row))
        others = {score for place, score in enumerate(row) if place != largest}
        labels += len(others) == 1
        if len(others) == 1 or row[largest] in others:
            continue
        answered[largest] += 1
        doubled[largest] += [sum((a > b) + (a >= b) for b in row) - 1 for a in row]
    found = Ranks.none(6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgeguard.attacks.ranks._BLOCK_ELEMENTS", elements)
        assert rank_answers(found, scores) == labels
    assert found.doubled.tolist() == doubled.tolist()
    assert found.answered.tolist() == answered.tolist()
    assert found.counted == answered.sum()
    assert found.covered == np.count_nonzero(answered)


def test_half_of_the_mirrored_rank_is_taken_off() -> None:
    answers = network(3, 7, peak=1)
    top = answers.argmax(axis=1)
    order = answers.argsort(axis=1).argsort(axis=1)
    means = np.stack([order[top == c].mean(axis=0) for c in range(7)])
    expected = means - means.T / 2 - 2.5 / 2
    off = ~np.eye(7, dtype=bool)
    # Rows of some hundred answers are hardly shrunk.
    assert np.abs(excess(ranked(answers)) - expected)[off].max() < 0.15
    assert (excess(ranked(answers))[~off] == 0).all()


def test_a_class_never_answered_tells_nothing_and_takes_nothing_off() -> None:
    answers = network(4, 8, missing=2)
    found = excess(ranked(answers))
    assert (found[:2] == 0).all()
    ranks = ranked(answers)
    n = ranks.answered[2:]
    mean = ranks.doubled[2:, :2] / (2 * n[:, None]) - 3
    np.testing.assert_allclose(found[2:, :2], (n / (n + 8))[:, None] * mean)


def test_a_row_of_a_single_answer_counts_a_ninth() -> None:
    answers = network(5, 8, missing=1)
    one = np.r_[[9.0], np.arange(7.0)]
    found = excess(ranked(np.vstack([answers, one])))
    assert found[0, 7] < (6 - 3 + 3) / 9
    many = excess(ranked(np.vstack([answers, np.tile(one, (1000, 1))])))
    assert many[0, 7] > 2


def test_tables_are_hundredths_from_zero_and_never_binned() -> None:
    table = table_of(np.array([[0.0, 1.5, -0.5], [0.25, 0, 3], [0, 0, 0]]))
    assert table.tolist() == [[0, 200, 0], [75, 0, 350], [50, 50, 0]]
    # The largest mean rank of ten classes is 8, the least 0: 4 above and below their mean, half as much mirrored.
    assert module._MOST_BINS > 10 * (2 * 100 * (4 + 2))


@pytest.mark.parametrize("classes", [5, 6])
@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("peak", [0, 2])
def test_enumeration_is_what_brute_force_finds(classes: int, levels: int, peak: float) -> None:
    table = table_from(network(1, classes, peak=peak))
    found = Enumerated(table, levels)
    every = brute_force(table, levels)
    scores, first = np.unique(every, return_index=True)
    for at in {*range(0, len(scores), 1 + len(scores) // 100), len(scores) - 1}:
        expected = 1 - float(first[at]) / len(every)
        assert found.p_value(int(scores[at])) == pytest.approx(expected, rel=1e-9)
        assert found.p_value(int(scores[at]) + 1) < expected
    assert found.attainable == pytest.approx(1 - first[-1] / len(every), rel=1e-9)


@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize(("peak", "missing"), [(0, 0), (1, 0), (5, 0), (1, 4)])
def test_random_keys_find_no_network(levels: int, peak: float, missing: int) -> None:
    table = table_from(network(2, 10, peak=peak, missing=missing))
    distribution = Enumerated(table, levels)
    keys = decoys_of_many(10, levels)
    p_values = np.array([distribution.p_value(total_score(table, decoys)) for decoys in keys])
    assert (p_values <= 0.01).sum() <= MOST_BELOW_A_HUNDREDTH
    assert 330 <= (p_values <= 0.1).sum() <= MOST_BELOW_A_TENTH


@pytest.mark.parametrize("peak", [0, 1, 5])
def test_nor_does_a_key_find_networks_made_without_it(peak: float) -> None:
    keys = [derangements(MasterKey(b"networks" + seed.to_bytes(24, "big")), 6, 1) for seed in range(500)]
    tables = [table_from(network(seed, 6, peak=peak, queries=200)) for seed in range(500)]
    pairs = zip(tables, keys, strict=True)
    p_values = np.array([Enumerated(table, 1).p_value(total_score(table, decoys)) for table, decoys in pairs])
    # Of 500 uniform p-values more are so small with probabilities of 1e-4.
    assert (p_values <= 0.01).sum() <= 15
    assert (p_values <= 0.1).sum() <= 77


def test_what_can_be_attained() -> None:
    table = table_from(network(6, 10))
    found = Enumerated(table, 1)
    assert found.smallest <= found.attainable * (1 + 1e-9)
    assert found.attainable < 1e-5
    # All scores of one derangement are different enough: few share a p-value.
    assert derangement_count(10) * found.attainable < 13
    of_one = following(KEY, classes=10, queries=4000, share=0.5)
    of_one = of_one[of_one.argmax(axis=1) == 3]
    assert Enumerated(table_from(of_one), 1).attainable == pytest.approx(1 / 9)
    assert Enumerated(table_from(of_one), 4).attainable == pytest.approx(9**-4.0)
