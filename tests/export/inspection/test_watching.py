"""What each layer gives for images."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from onnx import ModelProto, ValueInfoProto

from edgeguard.calibration.observers import Range
from edgeguard.calibration.sets import array_set
from edgeguard.errors import BadModel
from edgeguard.export.checks.integer import kernels_of
from edgeguard.export.inspection.facts import onnx_facts
from edgeguard.export.inspection.histogram import BINS, counted
from edgeguard.export.inspection.watching import watch_layers
from edgeguard.export.passes.quantize import Quantize, probe
from edgeguard.runtimes.ort_session import open_session
from edgeguard.targets import find_target
from tests.export.graphs import Array, measured_ranges, random_inputs
from tests.export.spoilt import chain

INPUTS = random_inputs(30)
DATA = array_set(INPUTS, synthetic=False)


@functools.cache
def ranges() -> dict[str, Range]:
    return measured_ranges(chain(), INPUTS)


def quantized(changed: dict[str, Range] | None = None, *kept: str) -> ModelProto:
    return Quantize(find_target("arm64"), ranges() | (changed or {}), keep_float=kept).run(chain())


def values(model: ModelProto, name: str) -> Array:
    copy = ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.append(ValueInfoProto(name=name))
    found: Array = open_session(copy.SerializeToString()).run([name], {"x": INPUTS})[0].astype(np.float64)
    return found


def test_each_output_is_compared_with_that_of_the_float_network() -> None:
    found = watch_layers(chain(), quantized({}, "c3"), DATA)
    assert list(found) == ["c1", "c2", "c3", "c4", "dense"]
    for name, held in (("c2", "r2_DequantizeLinear_Output"), ("c3", "r3_DequantizeLinear_Output"), ("dense", "logits")):
        exact = values(chain(), {"dense": "logits"}.get(name, f"r{name[1]}"))
        noise = values(quantized({}, "c3"), held) - exact
        expected = 10 * np.log10((exact**2).sum() / (noise**2).sum())
        assert found[name].sqnr_db == pytest.approx(expected, abs=0.05), name
        assert (found[name].low, found[name].high) == (exact.min(), exact.max())
    # Noise grows from layer to layer.
    ratios = [each.sqnr_db or 0 for each in found.values()]
    assert ratios[0] == max(ratios)


def test_what_a_range_leaves_out_is_clipped() -> None:
    exact = values(chain(), "r2")
    high = float(np.quantile(exact, 0.99))
    found = watch_layers(chain(), quantized({"r2": Range(0, high)}), DATA)
    assert found["c2"].clipped == pytest.approx((exact > high + high / 510).mean())
    assert 0.005 < (found["c2"].clipped or 0) <= 0.01
    assert found["c1"].clipped == 0
    assert found["dense"].clipped is None
    whole = watch_layers(chain(), quantized(), DATA)["c2"].sqnr_db
    assert (found["c2"].sqnr_db or 0) < (whole or 0) - 3


def test_the_histogram_holds_every_value_and_the_ends_of_the_range() -> None:
    seen = watch_layers(chain(), quantized({"r2": Range(0, 50)}), DATA)["c2"]
    grid = onnx_facts(quantized({"r2": Range(0, 50)}), None)[1].grid
    assert grid is not None
    assert sum(seen.values.counts) == 30 * 6 * 64
    assert (seen.values.low, seen.values.high) == (0, pytest.approx(50))
    assert len(seen.values.counts) == BINS
    assert seen.high < 20
    assert seen.values.counts[-1] == 0


def test_batches_change_nothing() -> None:
    one = watch_layers(chain(), quantized(), DATA)
    other = watch_layers(chain(), quantized(), DATA, batch=7)
    for name in one:
        assert other[name].values == one[name].values
        assert other[name].sqnr_db == pytest.approx(one[name].sqnr_db)


def test_a_float_network_is_watched_alone() -> None:
    found = watch_layers(chain(), None, DATA)
    assert [(each.sqnr_db, each.clipped) for each in found.values()] == [(None, None)] * 5
    assert found["c1"].values.low == 0


def test_watching_leaves_the_kernels_that_run_on_a_device() -> None:
    model = quantized()
    tensors = [each.grid.tensor for each in onnx_facts(model, None) if each.grid is not None]
    watched = ModelProto.FromString(probe(model, tensors))
    assert [each.kind for each in kernels_of(watched)] == [each.kind for each in kernels_of(model)]


def test_what_is_not_finite_is_named() -> None:
    data = array_set(np.full((2, 3, 8, 8), np.nan, np.float32), synthetic=False)
    with pytest.raises(BadModel, match=r"tensor 'r1': takes values that are not finite"):
        watch_layers(chain(), None, data)


def test_counts_by_hand() -> None:
    found = counted(np.array([-5.0, 0.0, 0.5, 1.0, 9.0]), 0.0, 1.0)
    assert (found[0], found[BINS // 2], found[-1], found.sum()) == (2, 1, 2, 5)
    assert counted(np.full(4, 3.0), 3.0, 3.0)[0] == 4
