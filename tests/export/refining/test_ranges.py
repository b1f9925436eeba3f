"""Ranges searched by what they do to the logits."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from edgeguard.calibration.observers import Range
from edgeguard.calibration.sets import array_set
from edgeguard.defenses.head import Grid
from edgeguard.export.refining.aftermath import aftermath_of
from edgeguard.export.refining.draft import Draft
from edgeguard.export.refining.partial import Trial
from edgeguard.export.refining.ranges import SearchRanges, tensors_with_scales
from edgeguard.export.refining.refine import fidelity_of
from tests.export.graphs import build, measured_ranges, node, run
from tests.export.refining.drafts import INPUTS, TRIAL, draft_of, separable


def with_range(draft: Draft, tensor: str, share: float) -> Draft:
    limits = draft.ranges[tensor]
    return draft.on_ranges({**draft.ranges, tensor: Range(limits.low * share, limits.high * share)})


@pytest.mark.parametrize("tensor", ["x", "r2", "pooled"])
@pytest.mark.parametrize("share", [3.0, 0.77])
def test_a_range_that_an_observer_got_wrong_is_mended(tensor: str, share: float) -> None:
    """Three times too wide, as after a single odd image, or so narrow that it cuts off what matters."""
    spoilt = with_range(draft_of(), tensor, share)
    mended = SearchRanges().refine(spoilt, TRIAL)
    assert fidelity_of(mended, TRIAL).mse < fidelity_of(spoilt, TRIAL).mse
    before, now = (draft.ranges[tensor].high for draft in (spoilt, mended))
    assert now < before if share > 1 else now > before


def test_good_ranges_stay() -> None:
    """A network of one layer, whose inputs are spread evenly: nothing is gained by cutting any of them off."""
    weight = np.random.default_rng(0).normal(0, 0.3, (10, 192)).astype(np.float32)
    model = build(
        [node("Flatten", ["x"], "flat"), node("Gemm", ["flat", "w", "b"], "logits", transB=1)],
        {"w": weight, "b": np.zeros(10, np.float32)},
    )
    inputs = np.random.default_rng(0).uniform(-1, 1, (48, 3, 8, 8)).astype(np.float32)
    draft = Draft.of(model, measured_ranges(model, inputs), draft_of().quantize)
    assert SearchRanges().refine(draft, Trial(array_set(inputs, synthetic=False), 48, None)) is draft


def test_what_carries_integers_on_has_no_scale_of_its_own() -> None:
    assert "flat" not in tensors_with_scales(draft_of().quantized)
    assert tensors_with_scales(draft_of().quantized)[0] == "x"


def test_the_aftermath_of_a_value_is_the_rest_of_the_network() -> None:
    """Rounded to a grid so fine that nothing changes, and to one of a single step."""
    model = separable()
    found = aftermath_of(model, "r1")
    assert found is not None
    assert (found.value, found.others, found.outputs) == ("r1", (), ("logits",))
    (values,) = zip(*TRIAL.values(model, ("r1",)), strict=True)
    given = {"r1": np.concatenate(values), "logits": run(model, INPUTS)}
    fine, coarse = found.errors(given, [Grid(float(given["r1"].max()) / 255, -128), Grid(1e6, -128)])
    assert fine < 0.01 * coarse
    silent = ModelProto()
    silent.CopyFrom(model)
    for tensor in silent.graph.initializer:
        if tensor.name in ("w1", "b1"):
            tensor.CopyFrom(numpy_helper.from_array(0 * numpy_helper.to_array(tensor), tensor.name))
    assert coarse == pytest.approx(np.square(run(silent, INPUTS) - given["logits"]).sum(), rel=1e-4)


def test_a_shortcut_is_fed_with_what_the_float_network_holds() -> None:
    model = build(
        [
            node("Relu", ["x"], "left"),
            node("Neg", ["x"], "right"),
            node("Add", ["left", "right"], "sum"),
            node("Flatten", ["sum"], "flat"),
            node("Gemm", ["flat", "w"], "logits"),
        ],
        {"w": np.ones((192, 10), np.float32)},
    )
    found = aftermath_of(model, "left")
    assert found is not None
    assert found.others == ("right",)
    assert aftermath_of(model, "logits") is None
