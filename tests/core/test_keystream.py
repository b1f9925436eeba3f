"""The stream of a key: pinned for ever, uniform, and the same however it is read."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.keystream import KeyStream


def chi_square(counts: list[int]) -> float:
    """Pearson's statistic for equal shares."""
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 for count in counts) / expected


def test_first_values_are_pinned() -> None:
    stream = KeyStream(b"edgeguard")
    assert stream.integers(10, 8).tolist() == [7, 7, 3, 1, 1, 8, 6, 9]
    assert stream.integers(1 << 63, 2).tolist() == [5566154909636555074, 2462140146797543092]
    assert stream.permutation(6).tolist() == [3, 4, 0, 2, 1, 5]
    assert stream.derangement(6).tolist() == [5, 3, 1, 4, 2, 0]
    # Above 2^64 / 4 each fourth word is passed over.
    assert stream.integers((1 << 62) + 1, 3).tolist() == [3724326609473001324, 1919092627589692546, 4488695450121294836]


def test_it_is_shake_256_in_little_endian_words() -> None:
    data = hashlib.shake_256(b"edgeguard").digest(8 * 5000)
    words = [int.from_bytes(data[start : start + 8], "little") for start in range(0, len(data), 8)]
    assert KeyStream(b"edgeguard").integers(1000, 5000).tolist() == [word % 1000 for word in words]


def test_words_of_the_incomplete_run_are_passed_over() -> None:
    bound = (1 << 63) - (1 << 61)
    data = hashlib.shake_256(b"seed").digest(8 * 400)
    words = [int.from_bytes(data[start : start + 8], "little") for start in range(0, len(data), 8)]
    accepted = [word % bound for word in words if word < (1 << 64) // bound * bound]
    assert len(accepted) < len(words)
    assert KeyStream(b"seed").integers(bound, 200).tolist() == accepted[:200]


@given(st.binary(max_size=40), st.integers(1, 1 << 63), st.lists(st.integers(0, 40), max_size=5))
def test_one_call_reads_what_several_do(seed: bytes, bound: int, counts: list[int]) -> None:
    stream = KeyStream(seed)
    parts = [value for count in counts for value in stream.integers(bound, count)]
    whole = KeyStream(seed).integers(bound, sum(counts))
    assert whole.dtype == np.int64
    assert whole.tolist() == parts
    assert all(0 <= value < bound for value in parts)


@given(st.binary(max_size=40), st.integers(2, 60))
def test_a_permutation_is_one_and_a_derangement_moves_everything(seed: bytes, n: int) -> None:
    stream = KeyStream(seed)
    assert sorted(stream.permutation(n).tolist()) == list(range(n))
    moved = stream.derangement(n)
    assert moved.dtype == np.int64
    assert sorted(moved.tolist()) == list(range(n))
    assert not (moved == np.arange(n)).any()


@given(st.binary(max_size=8), st.integers(2, 30))
def test_the_shuffle_draws_what_integers_draws(seed: bytes, n: int) -> None:
    order = list(range(n))
    stream = KeyStream(seed)
    for place in range(n - 1, 0, -1):
        other = int(stream.integers(place + 1, 1)[0])
        order[place], order[other] = order[other], order[place]
    assert KeyStream(seed).permutation(n).tolist() == order


def test_integers_are_uniform() -> None:
    values = KeyStream(b"uniform").integers(7, 70_000)
    # 99.9 % quantile of chi-square with 6 degrees of freedom.
    assert chi_square(np.bincount(values, minlength=7).tolist()) < 22.46


@pytest.mark.parametrize(("method", "shapes", "quantile"), [("permutation", 24, 49.7), ("derangement", 9, 26.1)])
def test_orders_of_four_are_uniform(method: str, shapes: int, quantile: float) -> None:
    stream = KeyStream(b"orders")
    found = Counter(tuple(getattr(stream, method)(4).tolist()) for _ in range(200 * shapes))
    assert len(found) == shapes
    assert chi_square(list(found.values())) < quantile


def test_small_ones_and_impossible_ones() -> None:
    stream = KeyStream(b"")
    assert stream.integers(1, 3).tolist() == [0, 0, 0]
    assert stream.integers(5, 0).tolist() == []
    assert stream.permutation(0).tolist() == []
    assert stream.permutation(1).tolist() == [0]
    assert stream.derangement(2).tolist() == [1, 0]
    for bound, count in [(0, 1), (-1, 1), ((1 << 63) + 1, 1), (3, -1)]:
        with pytest.raises(ValueError, match="below"):
            stream.integers(bound, count)
    with pytest.raises(ValueError, match="no derangement"):
        stream.derangement(1)
    with pytest.raises(ValueError, match="elements"):
        stream.permutation(-1)
