"""Means and covariances, beside those of all windows written out."""

from __future__ import annotations

import numpy as np

from edgeguard.calibration.sets import array_set
from edgeguard.export.refining.layers import integer_layers
from edgeguard.export.refining.moments import covariance_of, mean_inputs, mean_windows, outputs_of
from edgeguard.export.refining.partial import Trial
from tests.export.refining.drafts import INPUTS, TRIAL, draft_of


def test_moments_of_each_layer() -> None:
    draft = draft_of()
    for layer in integer_layers(draft.network, draft.quantized):
        (values,) = zip(*TRIAL.values(draft.quantized, (layer.input,)), strict=True)
        windows = layer.geometry.windows(np.concatenate(values)).astype(np.float64)
        (mean,) = mean_inputs(TRIAL, draft.quantized, (layer.input,))
        found = mean_windows(layer, mean)
        assert np.allclose(found, windows.mean(axis=2), atol=1e-5)
        expected = np.stack([np.cov(group, bias=True) for group in windows])
        assert np.allclose(covariance_of(TRIAL, draft.quantized, layer, found), expected, atol=1e-4)
        outputs = np.concatenate(
            [part @ group for part, group in zip(np.split(layer.weight, len(windows)), windows, strict=True)]
        )
        assert np.allclose(outputs_of(layer, layer.weight, found), outputs.mean(axis=1), atol=1e-4)


def test_a_fixed_batch_is_filled_up() -> None:
    trial = Trial(array_set(INPUTS, synthetic=False), 10, 4)
    blocks = list(trial.blocks())
    assert [len(block) for block in blocks] == [4, 4, 4]
    assert np.array_equal(np.concatenate(blocks)[:10], INPUTS[:10])


def test_no_more_inputs_than_asked_for() -> None:
    assert sum(len(block) for block in TRIAL.of_at_most(11).blocks()) == 11
    assert sum(len(block) for block in TRIAL.of_at_most(1000).blocks()) == 48
