"""An integer kernel adds the bias to its accumulator: only the accumulator's scale is right."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from edgeguard.errors import GuardFailed
from edgeguard.export.checks import check_bias_scales
from edgeguard.export.passes.quantize import Quantize
from edgeguard.targets import find_target
from tests.export.checks.models import exact, quantized
from tests.export.graphs import Array


def tensor(model: ModelProto, name: str) -> TensorProto:
    return next(each for each in model.graph.initializer if each.name == name)


def bias_of(model: ModelProto, name: str) -> NodeProto:
    """The node that dequantizes the bias of a layer."""
    layer = next(each for each in model.graph.node if each.name == name)
    return next(each for each in model.graph.node if each.output[0] == layer.input[2])


def scale(model: ModelProto, factor: Array) -> None:
    held = tensor(model, bias_of(model, "conv2").input[1])
    held.CopyFrom(numpy_helper.from_array((numpy_helper.to_array(held) * factor).astype(np.float32), held.name))


def test_biases_as_the_quantizer_makes_them_pass() -> None:
    check_bias_scales(quantized())


def one_channel() -> Array:
    factor = np.ones(16)
    factor[7] = 1.001
    return factor


@pytest.mark.parametrize("factor", [np.float64(1.01), np.float64(0.5), one_channel()], ids=["1 %", "half", "channel"])
def test_another_scale_is_refused_by_the_check_and_by_the_pass(factor: Array) -> None:
    model = quantized()
    scale(model, factor)
    with pytest.raises(GuardFailed, match=r"node 'conv2': its bias is not quantized with input scale x weight scale.*"):
        check_bias_scales(model)
    with pytest.raises(GuardFailed, match="onnxruntime#11576"):
        Quantize(find_target("arm64"), {}).ensures(exact(), model)


def test_an_integer_bias_beside_a_float_operand_is_refused() -> None:
    model = quantized()
    layer = next(each for each in model.graph.node if each.name == "conv2")
    layer.input[1] = "w2_float"
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((16, 8, 3, 3), np.float32), "w2_float"))
    with pytest.raises(GuardFailed, match="node 'conv2': has an integer bias but a float operand"):
        check_bias_scales(model)


def test_a_layer_in_float_has_a_float_bias() -> None:
    check_bias_scales(exact())
    check_bias_scales(quantized("conv2"))
