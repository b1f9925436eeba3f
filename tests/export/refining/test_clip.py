"""Weights within the range that rounds them best."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeguard.export.refining.clip import ClipWeights, clipped
from edgeguard.export.refining.layers import integer_layers
from tests.export.graphs import Array
from tests.export.refining.drafts import TRIAL, draft_of


def error(weights: Array, within: Array, levels: int) -> Array:
    step = np.maximum(np.abs(within).max(axis=1, keepdims=True), 1e-30) / levels
    return np.square(np.rint(within / step) * step - weights).sum(axis=1)


@given(
    weights=arrays.arrays(np.float64, (3, 20), elements=st.floats(-100, 100, width=32)),
    levels=st.sampled_from([7, 64, 127]),
)
def test_no_output_is_rounded_worse(weights: Array, levels: int) -> None:
    within = clipped(weights, levels)
    assert (np.abs(within) <= np.abs(weights) + 1e-12).all()
    assert (error(weights, within, levels) <= error(weights, weights, levels) * (1 + 1e-9) + 1e-12).all()


def test_an_outlier_is_cut_where_there_are_few_levels() -> None:
    weights = np.random.default_rng(0).standard_normal((1, 5000))
    weights[0, 0] = 8
    assert np.abs(clipped(weights, 7)).max() < 5
    assert error(weights, clipped(weights, 7), 7) < 0.5 * error(weights, weights, 7)


def test_the_draft_is_quantized_from_clipped_weights_and_still_compared_with_its_own() -> None:
    draft = draft_of()
    after = ClipWeights().refine(draft, TRIAL)
    assert after.network is draft.network
    for old, new in zip(*(integer_layers(each.network, each.quantized) for each in (draft, after)), strict=True):
        assert np.array_equal(old.weight, new.weight)
        assert (new.scale <= old.scale * (1 + 1e-6)).all()
