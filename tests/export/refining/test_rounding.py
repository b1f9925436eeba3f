"""GPTQ and AdaRound: other levels than the nearest ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.export.refining import adaround
from edgeguard.export.refining.adaround import AdaRound, levels_by_adaround
from edgeguard.export.refining.draft import Refinement
from edgeguard.export.refining.gptq import Gptq, levels_by_feedback
from edgeguard.export.refining.layers import Integers, QuantizedLayer, integer_layers, limit_of
from edgeguard.export.refining.refine import fidelity_of
from tests.export.graphs import Array, run
from tests.export.refining.drafts import INPUTS, TRIAL, draft_of


def layer(outputs: int, size: int, seed: int, groups: int = 1) -> QuantizedLayer:
    """A layer of random weights, rounded to the nearest level."""
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((outputs, size))
    scale = np.abs(weight).max(axis=1) / 127
    known = integer_layers(draft_of().network, draft_of().quantized)[0]
    levels = np.rint(weight / scale[:, None]).astype(np.int8)
    return replace(
        known,
        weight=weight,
        scale=scale,
        integers=Integers(levels, np.zeros(outputs, np.int32)),
        geometry=replace(known.geometry, groups=groups),
    )


def covariance(size: int, seed: int, groups: int = 1) -> Array:
    """Of inputs that are much alike, as neighbouring pixels are."""
    mixed = np.random.default_rng(seed).standard_normal((groups, size, 3 * size)) + 2 * np.random.default_rng(
        seed + 1
    ).standard_normal((groups, 1, 3 * size))
    return np.asarray(mixed @ mixed.transpose(0, 2, 1) / (3 * size))


def loss(levels: Array, one: QuantizedLayer, shared: Array) -> Array:
    """The variance that rounding adds to each output."""
    errors = (levels * one.scale[:, None] - one.weight).reshape(len(shared), -1, shared.shape[1])
    return np.einsum("gos,gst,got->go", errors, shared, errors).reshape(-1)


@given(size=st.integers(2, 12), groups=st.sampled_from([1, 3]), seed=st.integers(0, 500))
def test_gptq_errs_less_than_the_nearest_where_inputs_are_alike(size: int, groups: int, seed: int) -> None:
    one, shared = layer(30 * groups, size, seed, groups), covariance(size, seed, groups)
    levels = levels_by_feedback(one, shared)
    assert np.array_equal(levels, np.rint(levels))
    assert np.abs(levels).max() <= limit_of(one)
    assert loss(levels, one, shared).sum() < loss(one.integers.levels, one, shared).sum() * 1.001


def test_gptq_rounds_to_the_nearest_where_inputs_have_nothing_in_common() -> None:
    one = layer(20, 8, 0)
    assert np.array_equal(levels_by_feedback(one, np.eye(8)[None]), one.integers.levels)


def test_gptq_takes_inputs_that_never_vary() -> None:
    one = layer(20, 8, 0)
    assert np.array_equal(levels_by_feedback(one, np.zeros((1, 8, 8))), one.integers.levels)


@settings(max_examples=10, deadline=None)
@given(size=st.integers(2, 12), seed=st.integers(0, 500))
def test_adaround_errs_no_more_than_any_other(size: int, seed: int) -> None:
    one, shared = layer(8, size, seed), covariance(size, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaround, "_STEPS", 100)
        found = loss(levels_by_adaround(one, shared), one, shared)
    for others in (levels_by_feedback(one, shared), one.integers.levels):
        assert (found <= loss(others, one, shared) * (1 + 1e-9)).all()


def test_adaround_learns_the_best_of_all_roundings_of_a_few_weights() -> None:
    """All 2^6 ways to round six weights up or down, tried out: found for nearly every output, and near it for all."""
    one, shared = layer(40, 6, 3), covariance(6, 3)
    below = np.floor(one.weight / one.scale[:, None])
    ways = np.array([[way >> bit & 1 for bit in range(6)] for way in range(64)])
    tried = np.stack([loss(np.clip(below + way, -127, 127), one, shared) for way in ways])
    found = loss(levels_by_adaround(one, shared), one, shared)
    assert (found <= tried.min(axis=0) * 1.05).mean() > 0.8


@pytest.mark.parametrize("refinement", [Gptq(), AdaRound()], ids=lambda each: each.name)
def test_refined_levels_keep_the_largest_weight_and_the_mean_logits(
    refinement: Refinement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest weight decides the scale, for whoever computes it from the weights."""
    monkeypatch.setattr(adaround, "_STEPS", 200)
    draft = draft_of(transposed=False)
    refined = refinement.refine(draft, TRIAL)
    before, after = (integer_layers(each.network, each.quantized) for each in (draft, refined))
    for old, new in zip(before, after, strict=True):
        assert (np.abs(new.integers.levels.astype(int)).max(axis=1) == 127).all()
        assert np.array_equal(old.scale, new.scale)
    moved = run(refined.quantized, INPUTS).mean(axis=0) - run(draft.network, INPUTS).mean(axis=0)
    assert (np.abs(moved) <= after[-1].bias_scale / 2 + 1e-5).all()
    assert fidelity_of(refined, TRIAL).mse < fidelity_of(draft, TRIAL).mse
