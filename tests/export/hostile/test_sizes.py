"""Row 10 of the anchors: shapes that ask for terabytes are refused before anything of that size is allocated."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from tests.export.graphs import Array, build, node
from tests.export.hostile.networks import before, classifier, write
from tests.export.hostile.refusals import refuse


def with_input(*shape: int | str) -> ModelProto:
    nodes, constants = classifier()
    model = build(nodes, constants, output="y", opset=17, ir_version=8)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    del dims[:]
    for size in shape:
        if isinstance(size, str):
            dims.add(dim_param=size)
        else:
            dims.add(dim_value=size)
    return model


def with_constant(*dims: int, data_type: int = TensorProto.FLOAT, **data: object) -> ModelProto:
    model = before()
    model.graph.initializer.append(TensorProto(name="odd", data_type=data_type, dims=dims, **data))  # type: ignore[arg-type]
    return model


def with_sum_of(kind: str, *inputs: str, constants: dict[str, Array], **attributes: object) -> ModelProto:
    """The classifier on its input plus the sum over what the operator ``kind`` makes."""
    nodes = [node(kind, inputs, "huge", **attributes), node("ReduceSum", ["huge"], "sum", keepdims=0)]
    return before([*nodes, node("Add", ["x", "sum"], "x2")], constants, first="x2")


INPUTS = {
    "10^12": (("n", 1_000_000, 1000, 1000), "1,000,000,000,000 elements"),
    "overflow": (("n", 2**32, 2**32, 1), "18,446,744,073,709,551,616 elements"),
    "overflow-to-zero": (("n", 2**62, 4, 8), "elements; the limit"),
    "batch": ((2**31, 3, 8, 8), "412,316,860,416 elements"),
    "zero": (("n", 0, 8, 8), "a dimension below 1"),
    "zero-batch": ((0, 3, 8, 8), "a dimension below 1"),
    "negative": (("n", -3, 8, 8), "a dimension below 1"),
    "no-dimensions": ((), "has 0 dimensions"),
    "one-dimension": ((192,), "has 1 dimensions"),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_row_10_inputs(tmp_path: Path, kind: str) -> None:
    shape, said = INPUTS[kind]
    refuse(write(with_input(*shape), tmp_path), said)


def test_row_10_unknown_dimensions_say_what_to_pass(tmp_path: Path) -> None:
    refuse(
        write(with_input("n", 3, "height", "width"), tmp_path),
        "input 'x'",
        "has shape [3, '?', '?']",
        "for example --input-shape 3,224,224",
    )


def test_a_given_shape_is_held_to_the_same_limit(tmp_path: Path) -> None:
    model = with_input("n", 3, "height", "width")
    options = ("--defend", "--input-shape", "3,300000,1000000")
    refuse(write(model, tmp_path), "900,000,000,000 elements", options=options)


CONSTANTS: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "10^12": (lambda: with_constant(10**6, 10**6), "1,000,000,000,000 elements"),
    "overflow": (lambda: with_constant(2**32, 2**32), "18,446,744,073,709,551,616 elements"),
    "without-data": (lambda: with_constant(2**27), "does not fill its dimensions"),
    "negative": (lambda: with_constant(-1, -4, raw_data=bytes(16)), "has dimensions [-1, -4]"),
    "unknown-type": (lambda: with_constant(1, data_type=77, raw_data=bytes(4)), "tensor 'odd'"),
    "undefined-type": (lambda: with_constant(1, data_type=0, raw_data=bytes(4)), "UNDEFINED"),
    "strings": (lambda: with_constant(2**28, data_type=TensorProto.STRING), "odd"),
    "four-bits": (lambda: with_constant(2**27, data_type=TensorProto.INT4, raw_data=bytes(2)), "tensor 'odd'"),
    "four-bits-odd": (lambda: with_constant(3, data_type=TensorProto.INT4, raw_data=b"\0"), "tensor 'odd'"),
}


@pytest.mark.parametrize("kind", CONSTANTS)
def test_row_10_constants(tmp_path: Path, kind: str) -> None:
    model, said = CONSTANTS[kind]
    refuse(write(model(), tmp_path), said)


def test_row_10_sparse_constants(tmp_path: Path) -> None:
    model = before()
    sparse = model.graph.sparse_initializer.add(dims=[10**6, 10**6])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "thin"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64)))
    refuse(write(model, tmp_path), "sparse tensor 'thin'", "has dimensions [1000000, 1000000]")


MILLIONS = np.array([10**6, 10**6])
ONE = np.ones((1, 1), np.float32)
COMPUTED: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "ConstantOfShape": (lambda: with_sum_of("ConstantOfShape", "s", constants={"s": MILLIONS}), "[1000000, 1000000]"),
    "overflow": (lambda: with_sum_of("ConstantOfShape", "s", constants={"s": np.array([2**32] * 2)}), "[4294967296"),
    "Expand": (lambda: with_sum_of("Expand", "v", "s", constants={"v": ONE, "s": MILLIONS}), "[1000000, 1000000]"),
    "Tile": (lambda: with_sum_of("Tile", "v", "s", constants={"v": ONE, "s": MILLIONS}), "[1000000, 1000000]"),
    "Pad": (
        lambda: with_sum_of("Pad", "x", "p", constants={"p": np.array([0] * 6 + [10**5] * 2)}),
        "100008, 100008]",
    ),
    "Range": (
        lambda: with_sum_of(
            "Range", "a", "l", "d", constants={key: np.array(value, np.float32) for key, value in
                                               {"a": 0, "l": 1e10, "d": 1}.items()}
        ),
        "[10000000000]",
    ),
    "AveragePool": (
        lambda: with_sum_of("AveragePool", "x", constants={}, kernel_shape=[2**40] * 2, pads=[2**40] * 4),
        "the limit is 268,435,456 elements",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", COMPUTED)
def test_row_10_values_inside(tmp_path: Path, kind: str) -> None:
    model, said = COMPUTED[kind]
    refuse(write(model(), tmp_path), said)


def test_row_10_a_size_that_shape_inference_cannot_see(tmp_path: Path) -> None:
    """Forty gigabytes, computed by Exp: only a limit on memory finds it, in the child process."""
    model = before(
        [
            node("Exp", ["e"], "float"),
            node("Cast", ["float"], "s", to=TensorProto.INT64),
            node("ConstantOfShape", ["s"], "huge"),
            node("ReduceSum", ["huge"], "sum", keepdims=0),
            node("Add", ["x", "sum"], "x2"),
        ],
        {"e": np.log(np.array([1e5, 1e5])).astype(np.float32)},
        first="x2",
    )
    path = write(model, tmp_path)
    refuse(path, "model.onnx", "ONNX Runtime")
    process = subprocess.Popen([sys.executable, "-m", "edgeguard.cli", "export", path], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 3
    # In KiB, of the largest of it and its children.
    assert usage.ru_maxrss < 1 << 20
