"""Whether a file is really int8, and how much of its work really runs in integers."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from edgeguard.errors import GuardFailed
from edgeguard.export.checks import check_really_int8, integer_mac_share
from edgeguard.export.passes.quantize import Quantize
from edgeguard.targets import find_target
from tests.export.checks.models import exact, quantized
from tests.export.graphs import build, measured_ranges, node, random_inputs

# Multiply-accumulates of the network in models.py, by hand: outputs x weights of each.
MACS = {"conv1": 8 * 8 * 8 * (3 * 3 * 3), "conv2": 16 * 4 * 4 * (8 * 3 * 3), "dense": 10 * 256}


@pytest.mark.parametrize("kept", [(), ("conv1",), ("conv2",), ("dense",), ("conv1", "dense")], ids=str)
def test_the_share_is_the_hand_computed_one(kept: tuple[str, ...]) -> None:
    floats = sum(MACS[name] for name in kept)
    assert integer_mac_share(quantized(*kept)) == pytest.approx(1 - floats / sum(MACS.values()), abs=1e-9)


def test_signed_activations_count_as_on_arm_although_this_machine_may_be_none() -> None:
    model = exact()
    signed = Quantize(find_target("rpi5"), measured_ranges(model, random_inputs(32, (3, 16, 16)))).run(model)
    assert integer_mac_share(signed) == 1


def test_a_float_network_has_none() -> None:
    assert integer_mac_share(exact()) == 0
    assert integer_mac_share(build([node("Flatten", ["x"], "logits")], {}, output_shape=("b", 192))) == 0


def test_an_island_whose_weights_are_integers_counts_as_float() -> None:
    """A last convolution whose logits stay float finds no integer kernel: ONNX Runtime dequantizes its weights and
    computes in float, which nobody would notice by the file's types."""
    rng = np.random.default_rng(0)
    held = {
        "w1": rng.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32),
        "w2": rng.normal(0, 0.3, (10, 8, 6, 6)).astype(np.float32),
    }
    nodes = [
        node("Conv", ["x", "w1"], "c"),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "w2"], "m"),
        node("Flatten", ["m"], "logits"),
    ]
    model = build(nodes, held)
    ranges = measured_ranges(model, random_inputs(32))
    first, last = 8 * 6 * 6 * 27, 10 * 8 * 6 * 6
    shares = [integer_mac_share(Quantize(find_target("arm64"), ranges, head=head).run(model)) for head in HEADS]
    assert shares == pytest.approx([first / (first + last), 1])


HEADS = ("float", "int8")


def test_groups_and_batches_are_counted_once() -> None:
    """A depthwise layer multiplies each output with 9 weights, not with 9 x channels; a batch of 4 changes no share."""
    rng = np.random.default_rng(0)
    held = {
        "w1": rng.normal(0, 0.3, (6, 3, 3, 3)).astype(np.float32),
        "deep": rng.normal(0, 0.3, (6, 1, 3, 3)).astype(np.float32),
        "dense": rng.normal(0, 0.3, (96, 10)).astype(np.float32),
    }
    nodes = [
        node("Conv", ["x", "w1"], "a"),
        node("Conv", ["a", "deep"], "b", group=6),
        node("Flatten", ["b"], "f"),
        node("MatMul", ["f", "dense"], "logits"),
    ]
    for batch in ("batch", 4):
        model = build(nodes, held, batch=batch, output_shape=(batch, 10))
        ranges = measured_ranges(build(nodes, held), random_inputs(32))
        kept = Quantize(find_target("arm64"), ranges, keep_float=("n_b",)).run(model)
        first, deep, dense = 6 * 36 * 27, 6 * 16 * 9, 96 * 10
        assert integer_mac_share(kept) == pytest.approx(1 - deep / (first + deep + dense))


def test_a_transposed_convolution_counts_as_float() -> None:
    """There is no integer kernel for it. With stride 2 and a 2 x 2 kernel each output uses one weight per channel."""
    rng = np.random.default_rng(0)
    held = {
        "w1": rng.normal(0, 0.3, (6, 3, 3, 3)).astype(np.float32),
        "up": rng.normal(0, 0.3, (6, 4, 2, 2)).astype(np.float32),
        "dense": rng.normal(0, 0.1, (576, 10)).astype(np.float32),
    }
    nodes = [
        node("Conv", ["x", "w1"], "a"),
        node("ConvTranspose", ["a", "up"], "b", strides=[2, 2]),
        node("Flatten", ["b"], "f"),
        node("MatMul", ["f", "dense"], "logits"),
    ]
    model = build(nodes, held)
    kept = Quantize(find_target("arm64"), measured_ranges(model, random_inputs(32))).run(model)
    # 8 x 8 inputs: the convolution leaves 6 x 6, the transposed one makes 12 x 12 of them.
    first, up, dense = 6 * 36 * 27, 4 * 144 * 6, 576 * 10
    assert integer_mac_share(kept) == pytest.approx(1 - up / (first + up + dense))


def with_float_weights(model: ModelProto) -> ModelProto:
    """As a broken converter leaves it: activations pass through int8, the weights are the float ones."""
    held = {each.name: each for each in model.graph.initializer}
    for each in [each for each in model.graph.node if each.op_type == "DequantizeLinear"]:
        if each.input[0] in held:
            values = numpy_helper.to_array(held[each.input[0]]).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(values, each.output[0]))
            model.graph.initializer.remove(held[each.input[0]])
            model.graph.node.remove(each)
    assert any(each.data_type == TensorProto.UINT8 for each in model.graph.initializer)
    return model


def test_float_weights_between_integer_activations_are_no_int8_file() -> None:
    model = with_float_weights(quantized())
    with pytest.raises(GuardFailed, match=r"no weight was quantized.*nncf#1936"):
        check_really_int8(exact(), model)
    with pytest.raises(GuardFailed, match="no weight was quantized"):
        Quantize(find_target("arm64"), {}).ensures(exact(), model)
    with pytest.raises(GuardFailed, match="no weight was quantized"):
        check_really_int8(exact(), exact())


def wide(size: int) -> ModelProto:
    held = {"w": np.random.default_rng(0).normal(0, 0.1, (size, 10)).astype(np.float32)}
    return build([node("MatMul", ["x", "w"], "logits")], held, shape=(size,))


def test_a_file_that_did_not_shrink_is_refused() -> None:
    """4,000 x 10 float weights are 160 KB; their int8 form with 30 KB or with 100 KB of something else in it."""
    before = wide(4000)
    ranges = measured_ranges(before, random_inputs(8, (4000,)))
    after = Quantize(find_target("arm64"), ranges).run(before)
    check_really_int8(before, after)
    after.doc_string = "x" * 30_000
    check_really_int8(before, after)
    after.doc_string = "x" * 100_000
    with pytest.raises(GuardFailed, match=r"int8 file has \d+ bytes, the float one \d+.*ultralytics#17158"):
        check_really_int8(before, after)


def test_a_small_files_size_says_nothing() -> None:
    before = wide(20)
    after = Quantize(find_target("arm64"), measured_ranges(before, random_inputs(8, (20,)))).run(before)
    assert after.ByteSize() > 0.6 * before.ByteSize()
    check_really_int8(before, after)
