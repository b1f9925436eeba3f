"""The p-value against brute force, and that it holds what it promises for every suspect."""

from __future__ import annotations

import functools
from itertools import permutations
from math import log10

import numpy as np
import pytest

from edgeguard.attacks import chance as module
from edgeguard.attacks.chance import Chance, Drawn, Enumerated, chance, derangement_count, total_score
from edgeguard.defenses.decoys import derangements
from edgeguard.keys import MasterKey
from tests.attacks.answers import KEY, Array, table_like

KINDS = ["even", "sparse", "neighbours", "pairs", "one class", "one cell", "one attractor"]
KEYS = 4000
# Of 4000 uniform p-values more than these are at most 0.01 and 0.1 with probabilities of 5.5e-5 and 1.4e-4: among all
# the cases below, hardly once in a hundred sets of keys.
MOST_BELOW_A_HUNDREDTH = 66
MOST_BELOW_A_TENTH = 470


@functools.cache
def brute_force_keys(classes: int) -> Array:
    identity = range(classes)
    moved = [order for order in permutations(identity) if all(map(lambda a, b: a != b, order, identity))]
    return np.array(moved)


@functools.cache
def decoys_of_many(classes: int, levels: int) -> list[Array]:
    return [derangements(MasterKey(b"validit2" + seed.to_bytes(24, "big")), classes, levels) for seed in range(KEYS)]


def brute_force(counts: Array, levels: int) -> Array:
    """T of every key there can be, sorted."""
    one = counts[np.arange(len(counts)), brute_force_keys(len(counts))].sum(axis=1)
    total = one
    for _ in range(levels - 1):
        total = (total[:, None] + one).ravel()
    return np.sort(total)


@pytest.mark.parametrize("classes", [5, 6])
@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_enumeration_is_what_brute_force_finds(classes: int, levels: int, kind: str) -> None:
    counts = table_like(kind, classes, 60)
    found = Enumerated(counts, levels)
    every = brute_force(counts, levels)
    assert len(every) == derangement_count(classes) ** levels
    for matches in range(int(every[0]) - 2, int(every[-1]) + 1):
        expected = float(np.mean(every >= matches))
        assert found.p_value(matches) == pytest.approx(expected, rel=1e-12)
    assert found.p_value(int(every[-1]) + 1) == 0
    assert found.p_value(int(every[-1])) == pytest.approx(found.attainable, rel=1e-12)
    assert found.attainable >= found.smallest == pytest.approx(1 / len(every))


def test_three_levels_are_brute_force_too() -> None:
    counts = table_like("sparse", 5, 40)
    every = brute_force(counts, 3)
    found = Enumerated(counts, 3)
    for matches in sorted(set(every.tolist())):
        assert found.p_value(matches) == pytest.approx(float(np.mean(every >= matches)), rel=1e-12)


def test_the_enumerated_derangements_are_all_of_them() -> None:
    for classes in (2, 3, 5, 7):
        found = module._all_derangements(classes).T.tolist()
        assert sorted(found) == brute_force_keys(classes).tolist()
    assert module._all_derangements(10).shape == (10, 1_334_961) == (10, derangement_count(10))


def test_binned_sums_are_never_below_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = table_like("sparse", 6, 3000)
    exact = Enumerated(counts, 2)
    monkeypatch.setattr(module, "_MOST_BINS", 400)
    binned = Enumerated(counts, 2)
    assert len(binned._tail) < len(exact._tail)
    every = brute_force(counts, 2)
    for matches in np.unique(every).tolist():
        assert binned.p_value(matches) >= exact.p_value(matches) * (1 - 1e-12)
    middle = int(np.quantile(every, 0.95))
    assert binned.p_value(middle) < 2 * exact.p_value(middle)


def test_drawn_keys_agree_with_all_of_them() -> None:
    counts = table_like("sparse", 6, 400)
    exact = Enumerated(counts, 2)
    drawn = Drawn(counts, 2, draws=40_000, rng=np.random.default_rng(0))
    for matches in np.quantile(brute_force(counts, 2), [0.1, 0.5, 0.9, 0.99]).astype(int).tolist():
        p = exact.p_value(matches)
        assert abs(drawn.p_value(matches) - p) < 5 * np.sqrt(p * (1 - p) / 40_000) + 1 / 40_000


def test_a_drawn_p_counts_the_observed_key_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_drawn_sums", lambda _counts, number, _rng: np.arange(number))
    drawn = Drawn(np.ones((20, 20), np.int64), 1, draws=99, rng=np.random.default_rng(0))
    assert drawn.p_value(99) == drawn.smallest == 0.01
    assert drawn.p_value(98) == 0.02
    assert drawn.p_value(1) == 0.99
    assert drawn.p_value(0) == 1


def test_drawn_derangements_are_uniform_and_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 4 * 50)
    # Powers of ten tell the four images apart.
    counts = np.array([[0, 1, 2, 3]]).repeat(4, axis=0) * 10 ** np.arange(4)[:, None]
    sums = module._drawn_sums(counts, 9_000, np.random.default_rng(1))
    found, times = np.unique(sums, return_counts=True)
    assert len(found) == derangement_count(4) == 9
    # 99.9 % quantile of chi-square with 8 degrees of freedom.
    assert ((times - 1000) ** 2 / 1000).sum() < 26.1


def test_the_same_seed_draws_the_same_keys() -> None:
    counts = table_like("even", 20)
    first, again, other = (chance(counts, 4, draws=999, seed=seed).p_value(620) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("classes", "levels"), [(6, 1), (10, 1), (10, 4), (20, 4)])
def test_random_keys_have_p_at_most_a_in_a_share_a_of_cases(kind: str, classes: int, levels: int) -> None:
    table = table_like(kind, classes)
    distribution: Chance = chance(table, levels, draws=19_999, seed=5)
    matches = [total_score(table, decoys) for decoys in decoys_of_many(classes, levels)]
    p_values = np.array([distribution.p_value(each) for each in matches])
    assert (p_values <= 0.01).sum() <= MOST_BELOW_A_HUNDREDTH
    assert (p_values <= 0.1).sum() <= MOST_BELOW_A_TENTH
    assert p_values.max() <= 1
    assert p_values.min() >= distribution.attainable * (1 - 1e-9)
    if kind == "even":
        # Where ties are rare it is no more careful than it must be.
        assert (p_values <= 0.1).sum() >= 330


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [6, 10])
def test_of_all_keys_a_share_a_has_p_at_most_a(kind: str, classes: int) -> None:
    # No chance in it: the p-value of every key there is.
    table = table_like(kind, classes)
    found = Enumerated(table, 1)
    scores, keys = np.unique(module._sums(table, module._all_derangements(classes)), return_counts=True)
    p_values = np.array([found.p_value(score) for score in scores.tolist()])
    for a in (0.001, 0.01, 0.05, 0.1, 0.5):
        assert keys[p_values <= a].sum() <= a * derangement_count(classes) * (1 + 1e-9)


def test_drawn_derangements_of_many_classes_are_uniform_too() -> None:
    rng = np.random.default_rng(3)
    for classes in (1024, 1025):
        blocks = [module._some_derangements(classes, rng) for _ in range(20)]
        images = np.concatenate(blocks)
        # e^-1 of all permutations are derangements, and at most an eighth of those have ties.
        assert 0.8 * 0.37 < len(images) / (20 * (module._BLOCK_ELEMENTS // classes)) < 1.2 * 0.37
        assert (np.sort(images, axis=1) == np.arange(classes)).all()
        assert (images != np.arange(classes)).all()
        # The mean image of each class is (classes^2 - classes) / 2 less itself over the rest; 5 standard errors.
        expected = (classes * (classes - 1) / 2 - np.arange(classes)) / (classes - 1)
        assert np.abs(images.mean(axis=0) - expected).max() < 5 * classes / np.sqrt(12 * len(images))


def test_ties_of_what_was_drawn_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 3 * 4)

    class Fixed:
        def integers(self, *_: object, **__: object) -> Array:
            # Two low bits for the class: the second row ties in the others, the third is the identity.
            return np.array([[8, 12, 0, 4], [8, 8, 0, 4], [0, 4, 8, 12]], np.uint32)

    assert module._some_derangements(4, Fixed()).tolist() == [[2, 3, 0, 1]]  # type: ignore[arg-type]


def test_what_answers_can_attain() -> None:
    one_class = table_like("one class", 10)
    assert Enumerated(one_class, 1).attainable == pytest.approx(1 / 9)
    assert Enumerated(one_class, 4).attainable == pytest.approx(9**-4.0)
    drawn = Drawn(table_like("one class", 12), 1, draws=9_999, rng=np.random.default_rng(0))
    assert drawn.attainable == pytest.approx(1 / 11, rel=0.15)
    # Each row's largest stands in the same column, where a key has only one of them.
    attractor = table_like("one attractor", 12)
    bound = Drawn(attractor, 1, draws=9_999, rng=np.random.default_rng(0)).attainable
    assert 1 / 10_000 < bound < 0.5
    nothing = np.zeros((12, 12), np.int64)
    assert Drawn(nothing, 1, draws=99, rng=np.random.default_rng(0)).attainable == 1
    assert Enumerated(nothing[:6, :6], 2).attainable == 1
    spread = Drawn(table_like("even", 30), 4, draws=999, rng=np.random.default_rng(0))
    assert spread.attainable == spread.smallest == 1 / 1000


def test_what_can_be_attained() -> None:
    counts = table_like("neighbours", 10)
    neighbours = (np.arange(10) + 1) % 10
    best = Enumerated(counts, 1)
    assert best.smallest == pytest.approx(1 / 1_334_961) == pytest.approx(7.49e-7, rel=1e-3)
    assert best.p_value(total_score(counts, neighbours[None])) == pytest.approx(best.smallest, rel=1e-9)
    four = Enumerated(counts, 4)
    # 24 orders of magnitude down and still exact to nine digits: no Fourier transform.
    assert four.p_value(total_score(counts, np.tile(neighbours, (4, 1)))) == pytest.approx(four.smallest, rel=1e-9)
    assert -25 < log10(four.smallest) < -24
    assert best.attainable == pytest.approx(best.smallest, rel=1e-9)
    assert four.attainable == pytest.approx(four.smallest, rel=1e-9)
    assert Enumerated(table_like("even", 10), 1).attainable < 1e-5


def test_matches_are_counted_at_every_level() -> None:
    counts = np.arange(36).reshape(6, 6)
    decoys = derangements(KEY, 6, 3)
    expected = sum(int(counts[c, decoys[level, c]]) for level in range(3) for c in range(6))
    assert total_score(counts, decoys) == expected


def test_numbers_of_derangements() -> None:
    assert [derangement_count(n) for n in range(9)] == [1, 0, 1, 2, 9, 44, 265, 1854, 14833]
