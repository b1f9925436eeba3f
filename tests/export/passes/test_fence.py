"""What was kept in float runs in float, whatever ONNX Runtime's optimizations would like."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from onnx import ModelProto

from edgeguard.calibration.observers import Range
from edgeguard.errors import GuardFailed
from edgeguard.export.checks.integer import check_stays_float, kernels_of
from edgeguard.export.layers import layers_of
from edgeguard.export.passes.base import run_passes
from edgeguard.export.passes.fence import FENCE, fence
from edgeguard.export.passes.quantize import Quantize
from edgeguard.targets import TARGETS, find_target
from tests.export.graphs import build, measured_ranges, node, random_inputs, run
from tests.export.spoilt import chain, spoil

INPUTS = random_inputs(32)


@functools.cache
def ranges() -> dict[str, Range]:
    return measured_ranges(chain(), INPUTS)


def unfenced(model: ModelProto) -> ModelProto:
    """The file as the quantizer alone would write it."""
    result = ModelProto()
    result.CopyFrom(model)
    producers = {each.output[0]: each for each in result.graph.node}
    for each in [each for each in result.graph.node if each.name.endswith(FENCE)]:
        producers[each.input[0]].output[0] = each.output[0]
        result.graph.node.remove(each)
    return result


def integers(model: ModelProto) -> dict[str, bool]:
    return {each.name: each.integer for each in kernels_of(model)}


@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("kept", [("c2",), ("c1",), ("c4", "dense"), ("c2", "c3")])
def test_exactly_the_kept_layers_run_in_float(kept: tuple[str, ...], target: str) -> None:
    model = run_passes(chain(), [Quantize(find_target(target), ranges(), keep_float=kept)])
    assert integers(model) == {name: name not in kept for name in ("c1", "c2", "c3", "c4", "dense")}
    # The fence is a part of the layer, whose output keeps its name; its kernel computes it.
    (layer,) = [each for each in layers_of(model) if each.name == kept[0]]
    assert layer.output == ("logits" if kept[0] == "dense" else f"r{kept[0][1]}")


def test_without_it_onnx_runtime_quantizes_them_again() -> None:
    """If this fails one day, ONNX Runtime has stopped to, and the fence may go."""
    passed = Quantize(find_target("arm64"), ranges(), keep_float=("c2",))
    bare = unfenced(passed.run(chain()))
    assert integers(bare)["c2"]
    with pytest.raises(GuardFailed, match=r"node 'c2': was kept in float, .*QLinearConv.*22969"):
        check_stays_float(bare, ("c2",))
    with pytest.raises(GuardFailed, match="node 'c2'"):
        passed.ensures(chain(), bare)


def test_a_ruined_layer_recovers_in_float() -> None:
    model = spoil(chain(), "c2")
    limits = measured_ranges(model, INPUTS)
    kept = run_passes(model, [Quantize(find_target("arm64"), limits, keep_float=("c2",))])
    exact = run(model, INPUTS)
    size = np.abs(exact).max()
    assert np.abs(run(kept, INPUTS) - exact).max() < 0.05 * size
    assert np.abs(run(unfenced(kept), INPUTS) - exact).max() > 0.5 * size


def test_what_reads_or_gives_no_integers_needs_none() -> None:
    held = {"w": np.ones((10, 3, 8, 8), np.float32)}
    plain = build([node("Conv", ["x", "w"], "c"), node("Flatten", ["c"], "logits")], held)
    before = plain.SerializeToString()
    assert fence(plain).SerializeToString() == before


def test_its_names_are_free() -> None:
    model = Quantize(find_target("arm64"), ranges(), keep_float=("c2",)).run(chain())
    bare = unfenced(model)
    (third,) = [each for each in bare.graph.node if each.name == "c3"]
    third.name = f"c2{FENCE}"
    names = [each.name for each in fence(bare).graph.node]
    assert len(set(names)) == len(names)
    assert f"_c2{FENCE}" in names
