"""Observers: examples derived by hand, what all of them promise, and an independent divergence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.calibration.observers import OBSERVERS, Range, TensorStats, find_observer, observer_parameters
from edgeguard.calibration.observers.base import BINS, LEVELS
from edgeguard.calibration.observers.entropy import Entropy, _divergence
from edgeguard.calibration.observers.min_max import MinMax
from edgeguard.calibration.observers.mse import Mse
from edgeguard.calibration.observers.percentile import Percentile
from edgeguard.calibration.observers.search import levels_of
from edgeguard.errors import BadData, UsageError

Array = np.ndarray[Any, Any]

EACH = pytest.mark.parametrize("name", sorted(OBSERVERS))


def stats_of(values: Array) -> TensorStats:
    low, high = float(values.min()), float(values.max())
    return TensorStats(low, high, np.histogram(values, BINS, (low, high))[0].astype(np.int64))


@st.composite
def statistics(draw: st.DrawFn) -> TensorStats:
    """Histograms as a collection can produce them: both ends occupied, or one value only."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low = draw(st.floats(-1e6, 1e6))
    span = draw(st.sampled_from((0.0, 1e-12, 1e-3, 1.0, 1e4, 1e12)))
    counts = np.zeros(BINS, np.int64)
    if span == 0 or low + span == low:
        counts[0] = rng.integers(1, 1000)
        return TensorStats(low, low, counts)
    occupied = rng.choice(BINS, rng.integers(1, BINS), replace=False)
    counts[occupied] = rng.integers(1, 10 ** rng.integers(1, 9), len(occupied))
    counts[[0, -1]] += 1
    return TensorStats(low, low + span, counts)


@EACH
@settings(max_examples=60, deadline=None)
@given(stats=statistics())
def test_a_range_lies_within_the_data_and_holds_zero(name: str, stats: TensorStats) -> None:
    found = OBSERVERS[name].range(stats)
    widest = Range.covering(stats.low, stats.high)
    slack = 1e-9 * (widest.high - widest.low)
    assert widest.low - slack <= found.low <= 0 <= found.high <= widest.high + slack


@EACH
def test_a_tensor_that_is_zero_throughout(name: str) -> None:
    counts = np.zeros(BINS, np.int64)
    counts[0] = 100
    assert OBSERVERS[name].range(TensorStats(0.0, 0.0, counts)) == Range(0.0, 0.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(-1.0, 3.0, (-1.0, 3.0)), (2.0, 5.0, (0.0, 5.0)), (-5.0, -2.0, (-5.0, 0.0))]
)
def test_min_max_covers_everything_and_zero(low: float, high: float, expected: tuple[float, float]) -> None:
    assert MinMax().range(TensorStats(low, high)) == Range(*expected)


@pytest.mark.parametrize(
    ("percentile", "expected"),
    [
        # 5 % of 2,048 equal bins are 102.4 of them: 102 are cut off whole, the 103rd holds the percentile.
        (90.0, 1024 - 102),
        (50.0, 1024 - 512),
        (100.0, 1024),
    ],
)
def test_percentile_of_a_flat_histogram(percentile: float, expected: float) -> None:
    stats = TensorStats(-1024.0, 1024.0, np.ones(BINS, np.int64))
    assert Percentile(percentile).range(stats) == Range(-expected, expected)


def test_percentile_cuts_what_is_rarer_than_it() -> None:
    """Of 1,000,000 values 5 may go at each end at 99.999 %."""
    counts = np.zeros(BINS, np.int64)
    counts[1024 - 100 : 1024 + 100] = 5_000
    for outliers, high in ((5, 100.0), (6, 1024.0)):
        counts[-1] = outliers
        counts[1024] = 5_000 - outliers
        assert counts.sum() == 1_000_000
        found = Percentile().range(TensorStats(-1024.0, 1024.0, counts))
        assert found == Range(-100.0, high)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), percentile=st.floats(50, 99.9))
def test_percentile_agrees_with_numpy(seed: int, percentile: float) -> None:
    values = np.random.default_rng(seed).standard_normal(50_000)
    found = Percentile(percentile).range(stats_of(values))
    bin_width = np.ptp(values) / BINS
    expected = np.percentile(values, [(100 - percentile) / 2, (100 + percentile) / 2])
    # Outward to the edge of a bin, never inward; numpy interpolates between neighbours in sparse tails.
    assert -bin_width - 0.02 <= found.low - expected[0] <= 0.02
    assert -0.02 <= found.high - expected[1] <= bin_width + 0.02


@pytest.mark.parametrize(
    ("observer", "least", "most"),
    [
        # Information: one value in a million is worth nothing, the body's levels are.
        (Entropy(), 4, 12),
        # A step of (h + 4.5) / 255 costs a million values step^2 / 12 each, the outlier (100 - h)^2: minimal at h = 41.
        (Mse(), 36, 48),
    ],
    ids=["entropy", "mse"],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_an_outlier_is_clipped(observer: Entropy | Mse, least: float, most: float, sign: int) -> None:
    values = np.append(np.random.default_rng(0).standard_normal(1_000_000), 100.0) * sign
    found = observer.range(stats_of(values))
    far, near = (found.high, found.low) if sign > 0 else (-found.low, -found.high)
    assert least < far < most
    assert -6 < near < -2.5


@pytest.mark.parametrize("observer", [Entropy(), Mse()], ids=["entropy", "mse"])
def test_a_flat_distribution_is_kept_whole(observer: Entropy | Mse) -> None:
    assert observer.range(TensorStats(-1.0, 1.0, np.full(BINS, 50))) == Range(-1.0, 1.0)


@pytest.mark.parametrize("observer", [Entropy(), Mse()], ids=["entropy", "mse"])
def test_after_a_relu_only_the_upper_end_is_clipped(observer: Entropy | Mse) -> None:
    values = np.append(np.maximum(np.random.default_rng(0).standard_normal(1_000_000), 0), 60.0)
    found = observer.range(stats_of(values))
    assert found.low == 0
    assert 2 < found.high < 40


def test_zeros_do_not_decide_the_entropy_range() -> None:
    """After a ReLU most values are zero, which every range represents exactly."""
    stats = stats_of(np.append(np.abs(np.random.default_rng(0).standard_normal(100_000)), 8.0))
    assert stats.counts is not None
    many_zeros = stats.counts.copy()
    many_zeros[0] += 10_000_000
    spiked = Entropy().range(TensorStats(0.0, stats.high, many_zeros))
    plain = Entropy().range(TensorStats(0.0, stats.high, stats.counts))
    assert spiked.high == pytest.approx(plain.high, rel=0.05)
    assert plain.high > 3


@settings(max_examples=25, deadline=None)
@given(stats=statistics(), scale=st.floats(0.04, 1), skew=st.floats(0.04, 1))
def test_entropy_minimises_the_divergence_as_written_out(stats: TensorStats, scale: float, skew: float) -> None:
    """The vectorised divergence equals its definition, bin by bin."""
    full = Range.covering(stats.low, stats.high)
    limits = Range(full.low * scale, full.high * scale * skew)
    assert stats.counts is not None
    counts = stats.counts.astype(np.float64)
    found = _divergence(counts, stats.centres, limits, counts.sum())
    assert found == pytest.approx(spelled_out(stats, limits), rel=1e-9, abs=1e-12)


def spelled_out(stats: TensorStats, limits: Range) -> float:
    assert stats.counts is not None
    kept = [i for i in range(BINS) if limits.low <= stats.centres[i] <= limits.high]
    if not kept:
        return math.inf
    p = {i: float(stats.counts[i]) for i in kept}
    inside = sum(p.values())
    members: dict[int, list[int]] = {}
    for i in kept:
        level = int(levels_of(np.array([stats.centres[i]]), limits)[0][0])
        if p[i] > 0:
            members.setdefault(level, []).append(i)
    q = dict.fromkeys(kept, 0.0)
    for bins in members.values():
        for i in bins:
            q[i] = sum(p[j] for j in bins) / len(bins) / max(inside, 1.0)
    p[kept[0]] += float(stats.counts[: kept[0]].sum())
    p[kept[-1]] += float(stats.counts[kept[-1] + 1 :].sum())
    total = float(stats.counts.sum())
    return sum(p[i] / total * math.log(p[i] / total / max(q[i], 1e-9)) for i in kept if p[i] > 0)


@settings(max_examples=25, deadline=None)
@given(stats=statistics())
def test_mse_loses_no_more_than_min_max(stats: TensorStats) -> None:
    def loss(limits: Range) -> float:
        assert stats.counts is not None
        levels, scale, zero = levels_of(stats.centres, limits)
        return float((stats.counts * (stats.centres - (levels - zero) * scale) ** 2).sum())

    assert loss(Mse().range(stats)) <= loss(MinMax().range(stats))


def test_levels_are_those_of_onnx_quantization() -> None:
    """scale 0.1, zero point 55: rounded half to even, saturated at 0 and 255."""
    values = np.array([-7.0, -5.5, -0.04, 0.0, 0.06, 20.0, 25.0])
    levels, scale, zero = levels_of(values, Range(-5.5, 20.0))
    assert scale == pytest.approx(0.1)
    assert zero == 55
    assert levels.tolist() == [0, 0, 55, 55, 56, 255, 255]
    assert LEVELS == 256


@pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (-2.0, -1.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_ranges_that_no_scale_can_come_from(low: float, high: float) -> None:
    with pytest.raises(BadData, match="no quantization range"):
        Range(low, high)


def test_finding_an_observer() -> None:
    assert find_observer("percentile") == Percentile()
    assert observer_parameters(Percentile()) == {"percentile": 99.999}
    assert observer_parameters(MinMax()) == {}
    with pytest.raises(UsageError, match=r"no observer 'histogram'.*entropy"):
        find_observer("histogram")


def test_pixels_around_zero_do_not_all_lie_between_two_levels() -> None:
    """Pixels of -1 to 1 are odd multiples of half a step of their own range. On a grid a little coarser their errors
    are spread evenly: the mean square of a uniform error, a twelfth of a squared step, where ties have a fourth."""
    pixels = (2 * np.arange(256) - 255) / 255

    def error(limits: Range) -> float:
        scale = (limits.high - limits.low) / 255
        zero = round(-limits.low / scale)
        steps = np.clip(np.rint(pixels / scale) + zero, 0, 255) - zero
        return float(np.square(steps * scale - pixels).mean() / scale**2)

    tied = Range(-1.0, 1.0)
    assert error(tied) == pytest.approx(1 / 4, rel=1e-6)
    assert error(tied.off_ties) == pytest.approx(1 / 12, rel=0.1)


@given(low=st.floats(-1e3, 0), high=st.floats(0, 1e3))
def test_a_range_is_widened_only_where_zero_lies_between_two_levels(low: float, high: float) -> None:
    limits = Range(low, high)
    tied = high > low and abs(-low / (high - low) * 255 % 1 - 0.5) <= 0.01
    assert (limits.off_ties != limits) == tied
    assert limits.off_ties.low <= limits.low
    assert limits.off_ties.high >= limits.high
