"""What tracing counts, finds and refuses."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from edgeguard.attacks.trace import DEFAULT_DRAWS, LEAST_COUNTED, Trace, rank_all, trace
from edgeguard.errors import BadData
from edgeguard.keys import MasterKey
from tests.attacks.answers import KEY, Array, following

OTHER = MasterKey(bytes(32))


# 1 / (1 + DRAWS) is half of the 1e-4 that the tests ask for.
DRAWS = 19_999


def traced(answers: Array, key: MasterKey = KEY, levels: int = 1) -> Trace:
    return trace(*rank_all([answers], "suspect"), key, levels=levels, draws=DRAWS, seed=7)


def refused(*blocks: Array, classes: int | None = None) -> BadData:
    with pytest.raises(BadData) as caught:
        rank_all(blocks, "suspect.npy", classes=classes)
    assert str(caught.value).startswith("suspect.npy: ")
    return caught.value


@pytest.mark.parametrize("classes", [6, 10, 30])
@pytest.mark.parametrize("logits", [False, True])
def test_a_clone_is_found_under_its_key_only(classes: int, logits: bool) -> None:
    answers = following(KEY, classes=classes, queries=2000, share=0.6)
    answers = np.log(answers) * 3 - 5 if logits else answers
    found = traced(answers)
    # For six classes there are 265 derangements.
    assert found.p < 1e-4 or found.p == found.smallest_p > 1 / 266
    assert found.p >= found.smallest_p
    assert found.score > found.expected_score
    assert (found.counted, found.queries, found.classes, found.levels) == (2000, 2000, classes, 1)
    assert traced(answers, OTHER).p > 0.01


@pytest.mark.parametrize(
    ("classes", "queries", "share", "most"),
    [(6, 5000, 0.4, 0.01), (10, 1000, 0.3, 1e-3), (10, 5000, 0.3, 1e-3), (30, 2000, 0.2, 1e-3), (100, 2000, 0.2, 1e-3)],
)
def test_clones_that_follow_the_decoys_now_and_then(classes: int, queries: int, share: float, most: float) -> None:
    answers = [following(KEY, classes=classes, queries=queries, share=share, seed=seed) for seed in range(3)]
    assert max(traced(each).p for each in answers) < most


@pytest.mark.parametrize("queries", [1000, 5000])
def test_what_everybody_confuses_does_not_hide_the_decoys(queries: int) -> None:
    # Pairs of classes look alike, as in all networks, and most runner-ups are the other of the pair.
    answers = following(KEY, classes=10, queries=queries, share=0.3)
    rows = np.arange(queries)
    top = answers.argmax(axis=1)
    answers[rows, top ^ 1] += 0.6 * answers[rows, top] * (np.random.default_rng(1).random(queries) < 0.8)
    runner_ups = np.argsort(answers, axis=1)[:, -2]
    assert (runner_ups == top ^ 1).mean() > 0.75
    assert traced(answers).p < 1e-3
    assert traced(answers, OTHER).p > 0.01


def test_levels_that_hold_decoys_are_found_together() -> None:
    answers = following(KEY, classes=10, queries=4000, share=0.8, levels=4)
    assert traced(answers, levels=4).p < 1e-6
    assert traced(answers, levels=4).smallest_p < 1e-24


def test_a_faithful_clone_needs_no_more_than_the_least_number_of_queries() -> None:
    answers = following(KEY, classes=10, queries=LEAST_COUNTED, share=1)
    assert traced(answers).p < 1e-4


def test_queries_of_one_class_prove_little() -> None:
    answers = following(KEY, classes=10, queries=1000, share=1)
    of_one = answers[answers.argmax(axis=1) == 3]
    of_one = np.concatenate([of_one, of_one])
    found = traced(of_one, levels=1)
    assert found.attainable_p == pytest.approx(1 / 9)
    assert found.attainable_p <= found.p * (1 + 1e-9)
    assert found.covered == 1
    assert found.smallest_p < 1e-5
    assert traced(answers).covered == 10
    assert traced(answers).attainable_p < 1e-5


def test_a_thousand_classes() -> None:
    answers = following(KEY, classes=1000, queries=3000, share=0.2)
    begin = time.process_time()
    ranked = rank_all([answers], "suspect")
    # Three million scores; comparing each with each would take minutes.
    assert time.process_time() - begin < 3
    found = trace(*ranked, KEY, levels=1, draws=999, seed=7)
    assert found.p == found.attainable_p == 0.001


def test_what_the_methods_report() -> None:
    few = traced(following(KEY, classes=10, queries=200, share=0.5), levels=1)
    assert (few.method, few.draws, few.seed) == ("enumeration", None, None)
    assert few.smallest_p < 1e-5
    many = traced(following(KEY, classes=11, queries=400, share=1))
    assert (many.method, many.draws, many.seed) == ("draws", DRAWS, 7)
    assert many.p == many.smallest_p == 1 / (1 + DRAWS)
    assert 1 / (1 + DEFAULT_DRAWS) < 1e-5


def test_blocks_are_read_one_by_one_and_types_do_not_matter() -> None:
    answers = following(KEY, classes=10, queries=640, share=0.5)

    def blocks() -> Iterator[Array]:
        for start in range(0, 640, 64):
            yield answers[start : start + 64]

    whole, queries = rank_all([answers], "suspect")
    assert queries == 640
    for same in (blocks(), [(answers * 1e5).astype(np.uint32)], [answers[:, :, None, None]]):
        found, queries = rank_all(same, "suspect")
        assert queries == 640
        assert (found.answered == whole.answered).all()
    assert (rank_all(blocks(), "suspect")[0].doubled == whole.doubled).all()
    assert (rank_all([answers[:, :, None, None]], "suspect")[0].doubled == whole.doubled).all()


def test_labels_are_refused() -> None:
    one_hot = np.eye(10)[np.arange(500) % 10]
    assert "gives only labels" in str(refused(one_hot))
    assert "gives only labels" in str(refused(0.9 * one_hot + 0.01))
    assert "one number for a query" in str(refused(np.arange(500) % 10))
    assert "one number for a query" in str(refused(np.zeros((500, 1))))


def test_too_few_answers_are_refused() -> None:
    answers = following(KEY, classes=10, queries=LEAST_COUNTED, share=1)
    assert rank_all([answers], "suspect")[0].counted == LEAST_COUNTED
    error = refused(answers[1:])
    assert f"only {LEAST_COUNTED - 1} of its {LEAST_COUNTED - 1} answers" in str(error)
    assert f"at least {LEAST_COUNTED}" in str(error)
    tied, label = answers.copy(), answers.copy()
    tied[0, np.argsort(tied[0])[-2]] = tied[0].max()
    label[0] = np.eye(10)[3]
    for less in (tied, label):
        assert f"only {LEAST_COUNTED - 1} of its {LEAST_COUNTED} answers" in str(refused(less))
    assert "gave no answers" in str(refused())
    assert "gave no answers" in str(refused(np.zeros((0, 10))))


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_too_few_classes_are_refused_with_the_reason(classes: int) -> None:
    error = refused(following(KEY, classes=classes, queries=500, share=1))
    assert f"has {classes} classes" in str(error)
    assert "proves nothing" in str(error)
    assert "six classes or more" in str(error)


def test_another_number_of_classes_is_refused() -> None:
    assert "answers with 12 classes, not 10" in str(refused(np.random.default_rng(0).random((300, 12)), classes=10))
    blocks = [np.random.default_rng(0).random((200, classes)) for classes in (10, 11)]
    assert "with 10 classes, and later with 11" in str(refused(*blocks))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(value: float) -> None:
    answers = following(KEY, classes=10, queries=200, share=1)
    answers[150, 3] = value
    assert "NaN or infinity" in str(refused(answers))


@pytest.mark.parametrize(
    "answers", [np.zeros((200, 10, 2)), np.zeros(()), np.full((200, 10), "a"), np.ones((200, 10), bool)]
)
def test_what_are_no_answers_is_refused(answers: Array) -> None:
    assert "not numbers for each query and class" in str(refused(answers))
