"""The integers of a quantized network, read and written."""

from __future__ import annotations

import numpy as np
import pytest

from edgeguard.export.refining.layers import integer_layers, limit_of, rewritten
from tests.export.graphs import run
from tests.export.refining.drafts import INPUTS, LAYERS, draft_of


@pytest.mark.parametrize("transposed", [True, False])
def test_every_layer_is_found_with_the_weights_that_its_levels_stand_for(transposed: bool) -> None:
    draft = draft_of(transposed=transposed)
    layers = integer_layers(draft.network, draft.quantized)
    assert tuple(layer.name for layer in layers) == LAYERS
    for layer in layers:
        assert layer.integers.levels.dtype == np.int8
        # Rounded to the nearest, and the largest of each output is at the largest level.
        assert (np.abs(layer.rounded - layer.weight) <= layer.scale[:, None] / 2 * (1 + 1e-5)).all()
        assert limit_of(layer) == 127
        assert (np.abs(layer.integers.levels).max(axis=1) == 127).all()
        assert np.abs(layer.integers.bias * layer.bias_scale - layer.float_bias).max() <= layer.bias_scale.max()


def test_a_target_with_seven_bit_weights_has_smaller_levels() -> None:
    draft = draft_of(target="x86-64")
    assert {limit_of(layer) for layer in integer_layers(draft.network, draft.quantized)} == {64}


@pytest.mark.parametrize("transposed", [True, False])
def test_writing_what_was_read_changes_nothing(transposed: bool) -> None:
    draft = draft_of(transposed=transposed)
    layers = integer_layers(draft.network, draft.quantized)
    again = rewritten(draft.quantized, [(layer, layer.integers) for layer in layers])
    assert again.SerializeToString(deterministic=True) == draft.quantized.SerializeToString(deterministic=True)


@pytest.mark.parametrize("transposed", [True, False])
def test_other_integers_are_what_the_network_computes_with(transposed: bool) -> None:
    draft = draft_of(transposed=transposed)
    dense = integer_layers(draft.network, draft.quantized)[-1]
    bias = np.arange(10.0)
    changed = rewritten(draft.quantized, [(dense, dense.holding(np.zeros_like(dense.integers.levels), bias))])
    assert np.abs(run(changed, INPUTS[:4]) - bias).max() <= dense.bias_scale.max()


def test_a_bias_beyond_its_integers_is_limited() -> None:
    layer = integer_layers(draft_of().network, draft_of().quantized)[0]
    assert layer.holding(layer.integers.levels, np.full(6, 1e30)).bias.tolist() == [2**31 - 1] * 6
