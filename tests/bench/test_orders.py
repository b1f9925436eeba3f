"""Every variant takes every place equally often, and a seed repeats itself."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edgeguard.bench.orders import block_orders, creation_order, process_random

names = st.integers(2, 6).map(lambda count: tuple("abcdef"[:count]))


@given(names=names, groups=st.integers(1, 4), seed=st.integers(0, 99))
def test_each_group_is_balanced(names: tuple[str, ...], groups: int, seed: int) -> None:
    orders = block_orders(names, groups * len(names), process_random(seed, 0))
    assert len(orders) == groups * len(names)
    for place in range(len(names)):
        assert Counter(order[place] for order in orders) == dict.fromkeys(names, groups)


@given(names=names, blocks=st.integers(1, 40))
def test_every_block_holds_every_variant_once(names: tuple[str, ...], blocks: int) -> None:
    orders = block_orders(names, blocks, process_random(0, 0))
    assert len(orders) == blocks
    assert all(sorted(order) == sorted(names) for order in orders)


def test_neighbours_change_too() -> None:
    orders = block_orders("abcd", 80, process_random(0, 0))
    before_a = Counter(order[order.index("a") - 1] for order in orders if order[0] != "a")
    assert set(before_a) == {"b", "c", "d"}
    assert min(before_a.values()) >= 5


def test_a_seed_repeats_and_processes_differ() -> None:
    def orders(seed: int, process: int) -> object:
        return block_orders("abcd", 16, process_random(seed, process))

    assert orders(1, 2) == orders(1, 2)
    assert orders(1, 2) != orders(1, 3)
    assert orders(1, 2) != orders(2, 2)


def test_variants_are_not_always_loaded_in_the_same_order() -> None:
    assert {creation_order("ab", process_random(0, process)) for process in range(20)} == {("a", "b"), ("b", "a")}
