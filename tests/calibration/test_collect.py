"""Collecting: exact, and the same whatever the batch size (guard 2: onnxruntime#18792, optimum#409)."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from edgeguard.calibration.collect import Collected, collect
from edgeguard.calibration.observers import OBSERVERS, Observer, Range, TensorStats
from edgeguard.calibration.observers.base import BINS
from edgeguard.calibration.observers.percentile import Percentile
from edgeguard.calibration.sets import array_set
from edgeguard.errors import BadModel
from edgeguard.runtimes.ort_session import open_session
from tests.calibration.networks import SHAPE, build, convolutions, merged_axes, whole_inputs

Array = np.ndarray[Any, Any]

EACH = pytest.mark.parametrize("name", sorted(OBSERVERS))
TENSORS = ("x", "a", "b", "c", "d", "e")
NETWORK = convolutions()


def gather(inputs: Array, observer: Observer, *, block: int = 8, batch: int | None = None) -> Collected:
    network = NETWORK if batch is None else convolutions(batch)
    return collect(network, "x", TENSORS, array_set(inputs, synthetic=False), observer, block=block, batch=batch)


def by_hand(values: Array, observer: Observer) -> Range:
    """An observer's range from all activations at once, binned by numpy's own histogram."""
    low, high = float(values.min()), float(values.max())
    counts = np.histogram(values.astype(np.float64), BINS, (low, high))[0] if high > low else None
    if counts is None:
        counts = np.zeros(BINS, np.int64)
        counts[0] = values.size
    return observer.range(TensorStats(low, high, counts))


@EACH
@settings(max_examples=15, deadline=None)
@given(
    count=st.integers(1, 21),
    blocks=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_block_size_changes_nothing(name: str, count: int, blocks: tuple[int, int], seed: int) -> None:
    inputs = whole_inputs(count, seed)
    first, second = (gather(inputs, OBSERVERS[name], block=block) for block in blocks)
    assert first == second


@EACH
@settings(max_examples=10, deadline=None)
@given(count=st.integers(1, 21), seed=st.integers(0, 2**32 - 1))
def test_a_graph_with_a_fixed_batch_does_not_count_its_padding(name: str, count: int, seed: int) -> None:
    inputs = whole_inputs(count, seed)
    assert gather(inputs, OBSERVERS[name], batch=4) == gather(inputs, OBSERVERS[name])


@EACH
def test_equals_all_activations_at_once(name: str) -> None:
    inputs = whole_inputs(19, 5)
    observer = OBSERVERS[name]
    found = gather(inputs, observer).ranges
    values = open_session(NETWORK).run(list(TENSORS[1:]), {"x": inputs})
    assert list(found) == list(TENSORS)
    for tensor, value in zip(TENSORS, [inputs, *values], strict=True):
        expected = by_hand(value, observer)
        # numpy rounds a value on the edge of two bins its own way: one bin of 2,048 may differ.
        assert found[tensor].low == pytest.approx(expected.low, abs=float(np.ptp(value)) / BINS)
        assert found[tensor].high == pytest.approx(expected.high, abs=float(np.ptp(value)) / BINS)


@EACH
@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 19), blocks=st.tuples(st.integers(1, 24), st.integers(1, 24)))
def test_a_batch_that_is_not_the_first_axis(name: str, count: int, blocks: tuple[int, int]) -> None:
    data = array_set(whole_inputs(count, count, (2, 7, 8)), synthetic=False)
    tensors = ("windows", "sequence", "x")
    first, second = (
        collect(merged_axes(), "x", tensors, data, OBSERVERS[name], block=block).ranges for block in blocks
    )
    assert first == second
    assert first["windows"] == first["sequence"] == first["x"]


@pytest.mark.parametrize("block", [1, 4, 8, 9])
def test_an_image_weighs_the_same_in_a_full_block_and_in_a_ragged_one(block: int) -> None:
    """One of nine images is bright: 11 % of the values, more than the 10 % that the percentile gives away."""
    inputs = np.ones((9, 2, 7, 8), np.float32)
    inputs[:, 0, 0, 0] = 0
    inputs[8] = 10
    data = array_set(inputs, synthetic=False)
    tensors = ("windows", "sequence", "x")
    found = collect(merged_axes(), "x", tensors, data, Percentile(80.0), block=block)
    assert [found.ranges[tensor].high for tensor in tensors] == [10, 10, 10]


def test_halves_are_every_other_image() -> None:
    inputs = np.zeros((10, *SHAPE), np.float32)
    inputs[:, 0, 0, 0] = 2.0
    inputs[1::2, 0, 0, 0] = 5.0
    inputs[:, 0, 0, 1] = -4.0
    data = array_set(inputs, synthetic=False)
    halves = collect(NETWORK, "x", ("x",), data, OBSERVERS["min-max"], block=3).halves
    assert halves is not None
    assert halves.tensor == "x"
    assert halves.difference == pytest.approx((5.0 - 2.0) / 9.0)
    # Of several tensors the worst is told: the ReLU's range is half as wide.
    network = build([helper.make_node("Relu", ["x"], ["y"])], ["y"])
    for tensors in (("x", "y"), ("y", "x")):
        halves = collect(network, "x", tensors, data, OBSERVERS["min-max"]).halves
        assert halves is not None
        assert halves.tensor == "y"
        assert halves.difference == pytest.approx((5.0 - 2.0) / 5.0)


@EACH
def test_equal_halves_do_not_differ(name: str) -> None:
    inputs = np.repeat(whole_inputs(6, 1), 2, axis=0)
    halves = gather(inputs, OBSERVERS[name]).halves
    assert halves is not None
    assert halves.difference == 0


@EACH
def test_one_image_has_no_halves(name: str) -> None:
    assert gather(whole_inputs(1), OBSERVERS[name]).halves is None


@pytest.mark.parametrize("block", [1, 3, 8])
@pytest.mark.parametrize("position", [0, 5, 10])
@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_one_value_that_is_not_finite_is_enough(value: float, position: int, block: int) -> None:
    """log(-1) is NaN, log(0) is -infinity."""
    inputs = np.ones((11, *SHAPE), np.float32)
    inputs[position, 1, 2, 3] = value
    network = build([helper.make_node("Log", ["x"], ["logarithm"])], ["logarithm"])
    data = array_set(inputs, synthetic=False)
    with pytest.raises(BadModel, match="tensor 'logarithm': takes values that are not finite"):
        collect(network, "x", ("x", "logarithm"), data, OBSERVERS["min-max"], block=block)


@EACH
@pytest.mark.parametrize("factor", [1e-39, 1e-31, 1e31, 2.5e36])
def test_tiny_and_huge_ranges(name: str, factor: float) -> None:
    """The span or its inverse leaves float32."""
    inputs = whole_inputs(9) * np.float32(factor)
    data = array_set(inputs, synthetic=False)
    found = collect(NETWORK, "x", ("x",), data, OBSERVERS[name]).ranges["x"]
    plain = collect(NETWORK, "x", ("x",), array_set(whole_inputs(9), synthetic=False), OBSERVERS[name]).ranges["x"]
    assert plain.low < 0 < plain.high
    assert found.low / factor == pytest.approx(plain.low, rel=1e-3)
    assert found.high / factor == pytest.approx(plain.high, rel=1e-3)


def test_a_model_that_fails_while_running() -> None:
    network = build(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])], ["y"], {"shape": np.array([-1, 1000], np.int64)}
    )
    with pytest.raises(BadModel, match="ONNX Runtime fails while calibrating"):
        collect(network, "x", ("y",), array_set(whole_inputs(3), synthetic=False), OBSERVERS["min-max"])


@pytest.mark.parametrize(("name", "passes"), [("min-max", 1), ("percentile", 2)])
def test_progress_counts_images_of_every_pass(name: str, passes: int) -> None:
    seen: list[tuple[int, int]] = []
    data = array_set(whole_inputs(11), synthetic=False)
    collect(NETWORK, "x", ("x",), data, OBSERVERS[name], progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (11 * passes, 11 * passes)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


@EACH
def test_memory_does_not_grow_with_the_set(name: str) -> None:
    """Of Python and numpy; the benchmark measures the whole process. Keeping one tensor would take 200 kB."""

    def peak(count: int) -> int:
        inputs = whole_inputs(count)
        data = array_set(inputs, synthetic=False)
        tracemalloc.start()
        collect(NETWORK, "x", TENSORS, data, OBSERVERS[name])
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(16)
    assert peak(400) < peak(16) + 50_000
