"""Windows times weights are what the layer computes."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from torch.nn import functional as F

from edgeguard.export.refining.geometry import Geometry, geometry_of


@given(
    groups=st.sampled_from([1, 2, 4]),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    dilation=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_windows_of_a_convolution(
    groups: int,
    kernel: tuple[int, int],
    stride: int,
    pads: tuple[int, int, int, int],
    dilation: int,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    inputs, weight = torch.randn(2, 4, 7, 6), torch.randn(8, 4 // groups, *kernel)
    above, left, below, right = pads
    padded = F.pad(inputs, (left, right, above, below))
    expected = F.conv2d(padded, weight, stride=stride, dilation=dilation, groups=groups)
    node = helper.make_node(
        "Conv",
        ["x", "w", "b"],
        ["y"],
        group=groups,
        strides=[stride] * 2,
        pads=list(pads),
        dilations=[dilation] * 2,
    )
    geometry = geometry_of(node, tuple(weight.shape))
    assert geometry is not None
    windows = geometry.windows(inputs.numpy())
    assert np.allclose(geometry.mean_window(inputs.numpy()), windows.mean(axis=2), atol=1e-5)
    found = torch.bmm(weight.reshape(groups, 8 // groups, -1), torch.from_numpy(windows))
    wanted = expected.reshape(2, groups, 8 // groups, -1).permute(1, 2, 0, 3).reshape(groups, 8 // groups, -1)
    assert torch.allclose(found, wanted, atol=1e-4)


def test_windows_of_a_matrix_product() -> None:
    inputs = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(Geometry().windows(inputs), inputs.T[None])
    assert np.array_equal(Geometry().mean_window(inputs), [[1.5, 2.5, 3.5]])


def test_what_is_computed_in_another_way_has_no_geometry() -> None:
    for node, shape in (
        (helper.make_node("Gemm", ["x", "w", "b"], ["y"], transA=1), (4, 4)),
        (helper.make_node("Gemm", ["x", "w", "b"], ["y"], alpha=2.0), (4, 4)),
        (helper.make_node("Conv", ["x", "w", "b"], ["y"]), (4, 4, 3, 3, 3)),
        (helper.make_node("Conv", ["x", "w", "b"], ["y"], auto_pad="SAME_UPPER"), (4, 4, 3, 3)),
        (helper.make_node("MatMul", ["x", "w"], ["y"]), (4, 4)),
    ):
        assert geometry_of(node, shape) is None
