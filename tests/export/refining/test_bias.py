"""Bias correction."""

from __future__ import annotations

import numpy as np
import pytest

from edgeguard.export.refining.bias import FastBias, FullBias
from edgeguard.export.refining.draft import Refinement
from edgeguard.export.refining.layers import integer_layers
from edgeguard.export.refining.refine import fidelity_of
from tests.export.graphs import run
from tests.export.refining.drafts import INPUTS, TRIAL, draft_of


@pytest.mark.parametrize("refinement", [FastBias(), FullBias()], ids=lambda each: each.name)
@pytest.mark.parametrize("transposed", [True, False])
def test_only_biases_change_and_the_logits_come_nearer(refinement: Refinement, transposed: bool) -> None:
    before = draft_of(transposed=transposed)
    after = refinement.refine(before, TRIAL)
    old, new = (integer_layers(each.network, each.quantized) for each in (before, after))
    assert all(np.array_equal(*(each.integers.levels for each in pair)) for pair in zip(old, new, strict=True))
    assert not any(np.array_equal(*(each.integers.bias for each in pair)) for pair in zip(old, new, strict=True))
    assert fidelity_of(after, TRIAL).mse < fidelity_of(before, TRIAL).mse


def test_full_correction_leaves_the_mean_logits_as_they_are() -> None:
    """By construction, up to half a step of the last bias."""
    draft = FullBias().refine(draft_of(), TRIAL)
    step = integer_layers(draft.network, draft.quantized)[-1].bias_scale
    moved = run(draft.quantized, INPUTS).mean(axis=0) - run(draft.network, INPUTS).mean(axis=0)
    assert (np.abs(moved) <= step / 2 + 1e-5).all()
