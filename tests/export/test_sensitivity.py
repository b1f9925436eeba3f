"""Each layer in int8 alone, and in float alone."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from edgeguard.calibration.sets import array_set
from edgeguard.errors import GuardFailed
from edgeguard.export.fidelity import Compared
from edgeguard.export.inspection.columns import recommendation
from edgeguard.export.sensitivity import (
    Sensitivity,
    keep_float_text,
    measure_sensitivity,
    quantized_layers,
    rank_layers,
    spread,
)
from tests.export.graphs import random_inputs
from tests.export.spoilt import chain, quantizer, runner, spoil

LAYERS = ("c1", "c2", "c3", "c4", "dense")
INPUTS = random_inputs(48)
DATA = array_set(INPUTS, synthetic=False)


@functools.cache
def measured(*spoilt: str) -> Sensitivity:
    model = functools.reduce(spoil, spoilt, chain())
    return measure_sensitivity(model, quantizer(model, INPUTS), runner(model), DATA)


def test_spoiling_changes_nothing_in_float() -> None:
    before, after = (runner(model)(INPUTS) for model in (chain(), spoil(chain(), "c3")))
    assert np.abs(after - before).max() < 1e-5 * np.abs(before).max()


def test_every_layer_is_measured_both_ways_and_the_worst_comes_first() -> None:
    found = measured()
    assert {each.layer for each in found.layers} == set(LAYERS)
    errors = [each.int8_alone.mse for each in found.layers]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] > 0
    # Errors of single layers add up, nearly: that is why they rank.
    assert 0.5 < sum(errors) / found.quantized.mse < 2
    assert found.images == found.quantized.images == 48


@pytest.mark.parametrize("spoilt", [("c2",), ("c4",), ("c2", "c4")])
def test_a_ruined_layer_is_the_first_and_alone_recommended(spoilt: tuple[str, ...]) -> None:
    found = measured(*spoilt)
    assert {each.layer for each in found.layers[: len(spoilt)]} == set(spoilt)
    assert set(found.keep_float) <= set(spoilt)
    assert found.keep_float
    ruined, healthy = found.layers[len(spoilt) - 1].int8_alone, found.layers[len(spoilt)].int8_alone
    assert ruined.mse > 50 * healthy.mse
    assert ruined.sqnr_db is not None
    assert healthy.sqnr_db is not None
    assert ruined.sqnr_db < 10 < 25 < healthy.sqnr_db
    assert ruined.kl > healthy.kl
    assert ruined.agreement < healthy.agreement
    (beside,) = [each.float_alone for each in found.layers if each.layer == spoilt[0]]
    assert beside is not None
    assert (beside.agreement > 0.9) == (len(spoilt) == 1)


def test_what_is_kept_anyway_stays_out() -> None:
    model = spoil(chain(), "c3")
    ranked = rank_layers(model, quantizer(model, INPUTS), runner(model), DATA, kept=("c3", "c1"))
    assert set(ranked) == {"c2", "c4", "dense"}
    assert [each.name for each in quantized_layers(model, ("c3", "c1"))] == ["c2", "c4", "dense"]
    assert quantized_layers(model)[0].activations == ("r1",)
    assert quantized_layers(model)[0].output == "r1"


def test_the_ranking_alone_is_that_of_the_whole_measurement() -> None:
    ranked = rank_layers(chain(), quantizer(chain(), INPUTS), runner(chain()), DATA)
    assert ranked == tuple(each.layer for each in measured().layers)


def test_progress_counts_the_variants() -> None:
    heard: list[tuple[int, int]] = []
    model = chain()
    quantize = quantizer(model, INPUTS)
    measure_sensitivity(model, quantize, runner(model), DATA, most=4, progress=lambda *each: heard.append(each))
    assert heard == [(done, 11) for done in range(1, 12)]


def test_one_layer_alone_cannot_be_left_out() -> None:
    model = chain(1)
    found = measure_sensitivity(model, quantizer(model, INPUTS), runner(model), DATA)
    assert [each.float_alone for each in found.layers] == [None]
    assert found.keep_float == ()


@pytest.mark.parametrize(("count", "most", "expected"), [(5, 9, [0, 1, 2, 3, 4]), (100, 4, [0, 25, 50, 75])])
def test_images_are_spread_over_the_set(count: int, most: int, expected: list[int]) -> None:
    inputs = np.arange(count, dtype=np.float32)[:, None]
    assert spread(array_set(inputs, synthetic=False), most)[:, 0].tolist() == expected


def test_the_options_are_ready_for_a_shell() -> None:
    assert keep_float_text(("conv1", "block/conv 2")) == "--keep-float conv1 --keep-float 'block/conv 2'"
    assert keep_float_text(()) == ""


def test_fidelity_by_hand() -> None:
    sums = Compared()
    one = np.log(np.array([[0.5, 0.5], [0.25, 0.75]], np.float32))
    other = np.log(np.array([[0.5, 0.5], [0.75, 0.25]], np.float32))
    sums.add(one[:1], other[:1])
    assert (sums.found.sqnr_db, sums.found.kl, sums.found.mse) == (None, 0, 0)
    sums.add(one[1:], other[1:])
    found = sums.found
    assert found.agreement == 0.5
    assert found.mse == pytest.approx(2 * np.log(3) ** 2 / 4)
    assert found.kl == pytest.approx((0.25 * np.log(1 / 3) + 0.75 * np.log(3)) / 2)
    assert found.sqnr_db == pytest.approx(10 * np.log10((one**2).sum() / (2 * np.log(3) ** 2)))
    with pytest.raises(GuardFailed, match="no finite number"):
        sums.add(one, np.full_like(one, np.nan))


def test_the_options_repeat_what_is_kept_already() -> None:
    """Exporting again with the new ones alone would lose the others."""
    model = functools.reduce(spoil, ("c2", "c4"), chain())
    found = measure_sensitivity(model, quantizer(model, INPUTS), runner(model), DATA, kept=("c2",))
    assert (found.kept, found.keep_float) == (("c2",), ("c4",))
    assert recommendation(found).endswith("export with: --keep-float c2 --keep-float c4")
