"""Cross-layer equalization."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from edgeguard.errors import GuardFailed
from edgeguard.export.passes.base import run_passes
from edgeguard.export.refining.equalize import Equalize
from tests.export.graphs import Array, build, node, run
from tests.export.refining.drafts import INPUTS, separable


def weight(model: ModelProto, name: str) -> Array:
    (found,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
    return numpy_helper.to_array(found)


def spread(values: Array, axis: int) -> Array:
    return np.abs(np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)).max(axis=1)


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", "Identity"])
def test_the_network_computes_what_it_did(activation: str) -> None:
    before = separable(activation=activation)
    after = run_passes(before, [Equalize()])
    assert np.allclose(run(after, INPUTS), run(before, INPUTS), atol=1e-4)


def test_weights_on_both_sides_of_a_channel_are_spread_alike() -> None:
    """Equation 11 makes both ranges the geometric mean of what they were."""
    before = separable()
    after = run_passes(before, [Equalize()])
    assert np.allclose(spread(weight(after, "w1"), 0), spread(weight(after, "w2"), 0), rtol=0.01)
    assert np.allclose(spread(weight(after, "w2"), 0), spread(weight(after, "w3"), 1), rtol=0.01)
    assert not np.allclose(spread(weight(before, "w2"), 0), spread(weight(before, "w3"), 1), rtol=0.5)


def test_what_factors_do_not_pass_stays() -> None:
    """A ReLU6 clips at a fixed height, and a value with two readers belongs to both."""
    for nodes in (
        [node("Clip", ["a", "", "six"], "b"), node("Conv", ["b", "w2"], "c")],
        [node("Conv", ["a", "w2"], "b"), node("Add", ["a", "b"], "c")],
    ):
        rng = np.random.default_rng(0)
        model = build(
            [
                node("Conv", ["x", "w1"], "a"),
                *nodes,
                node("GlobalAveragePool", ["c"], "pooled"),
                node("Flatten", ["pooled"], "logits"),
            ],
            {
                "w1": rng.normal(0, 1, (10, 3, 1, 1)).astype(np.float32),
                "w2": rng.normal(0, 9, (10, 10, 1, 1)).astype(np.float32),
                "six": np.float32(6)[...],
            },
        )
        assert run_passes(model, [Equalize()]).SerializeToString() == model.SerializeToString()


def test_dead_channels_stay_as_they_are() -> None:
    model = separable()
    for tensor in model.graph.initializer:
        if tensor.name == "w1":
            values = numpy_helper.to_array(tensor).copy()
            values[2] = 0
            tensor.CopyFrom(numpy_helper.from_array(values, "w1"))
    after = run_passes(model, [Equalize()])
    assert np.allclose(run(after, INPUTS), run(model, INPUTS), atol=1e-4)


def test_the_guard_refuses_what_is_not_finite() -> None:
    broken = separable()
    broken.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full((6, 3, 3, 3), np.inf, np.float32), "w1"))
    with pytest.raises(GuardFailed, match="finite"):
        Equalize().ensures(separable(), broken)
