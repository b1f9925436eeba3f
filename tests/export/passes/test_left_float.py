"""What stays in float beside kept layers: no islands, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto

from edgeguard.export.passes.fold import optimized
from edgeguard.export.passes.left_float import left_float
from edgeguard.export.passes.quantize import Quantize, quantized_nodes
from edgeguard.targets import find_target
from tests.export.graphs import Array, build, count, measured_ranges, node, random_inputs, run


def residual() -> ModelProto:
    """conv a, LeakyRelu; conv b, pooled; both added; conv c."""
    rng = np.random.default_rng(0)
    held: dict[str, Array] = {
        "wa": rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "wb": rng.normal(0, 0.3, (4, 4, 1, 1)).astype(np.float32),
        "wc": rng.normal(0, 0.3, (10, 4, 6, 6)).astype(np.float32),
        "far": np.array([0, 10], np.int64),
    }
    nodes = [
        node("Conv", ["x", "wa"], "a"),
        node("LeakyRelu", ["a"], "l", alpha=0.1),
        node("Conv", ["l", "wb"], "b"),
        node("MaxPool", ["b"], "p", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Add", ["p", "l"], "s"),
        node("Conv", ["s", "wc"], "c"),
        node("Reshape", ["c", "far"], "logits"),
    ]
    return build(nodes, held)


@pytest.mark.parametrize(
    ("kept", "with_it"),
    [
        ((), ()),
        # What is computed on its numbers alone stays with it; the sum has an int8 side.
        (("n_a",), ("n_l",)),
        # The pool moves numbers to an int8 sum: it may do that in int8.
        (("n_b",), ()),
        (("n_a", "n_b"), ("n_l", "n_p", "n_s")),
        (("n_a", "n_b", "n_c"), ("n_l", "n_p", "n_s", "n_logits")),
        (("n_c",), ("n_logits",)),
    ],
)
def test_what_stays_with_kept_layers(kept: tuple[str, ...], with_it: tuple[str, ...]) -> None:
    assert left_float(residual(), kept) == {*kept, *with_it}


def test_no_value_is_rounded_between_a_kept_layer_and_its_activation() -> None:
    model = residual()
    values = random_inputs(32)
    ranges = measured_ranges(model, values)
    quantized = Quantize(find_target("arm64"), ranges, keep_float=("n_a",)).run(model)
    runs = optimized(quantized, extended=True)
    # ONNX Runtime runs both in one kernel.
    assert (count(runs, "FusedConv"), count(runs, "QLinearLeakyRelu")) == (1, 0)
    assert not any(each.op_type == "QuantizeLinear" and each.input[0] in ("x", "a") for each in quantized.graph.node)
    assert np.abs(run(quantized, values) - run(model, values)).max() < 0.1 * np.abs(run(model, values)).max()


def test_the_ranges_of_the_whole_network_serve_whatever_is_kept() -> None:
    """The table need not be measured again (onnxruntime#21908)."""
    model = residual()
    ranges = measured_ranges(model, random_inputs(16))
    for kept in (("n_a",), ("n_b",), ("n_a", "n_c")):
        passed = Quantize(find_target("arm64"), ranges, keep_float=kept)
        passed.requires(model)
        left = {each.name for each in quantized_nodes(model, kept)}
        assert left.isdisjoint(kept)
        assert left
        passed.ensures(model, passed.run(model))
