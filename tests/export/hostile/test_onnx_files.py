"""Rows 5, 8, 9 and 11 of the anchors, and what else a file can do to whoever parses it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgeguard.export.loading import LoadRequest, load_model, onnx_probe
from tests.export.graphs import node
from tests.export.hostile.networks import before, call, function, with_functions, write
from tests.export.hostile.refusals import accept, refuse, refuse_loading


def test_the_network_that_all_the_others_are_made_of_is_accepted(tmp_path: Path) -> None:
    accept(write(before(), tmp_path))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_row_5_weights_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    model = before()
    weights = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weights[3, 7] = value
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "w"))
    refuse(write(model, tmp_path), "tensor 'w'", "NaN or infinity", "Take an earlier checkpoint")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
BROKEN = {
    "truncated": (before().SerializeToString()[:-100], "truncated"),
    "half": (before().SerializeToString()[:4000], "truncated"),
    "git-lfs": (LFS, "this is a git-lfs pointer"),
    "empty": (b"", "is empty"),
    "random": (np.random.default_rng(0).bytes(5000), "is no ONNX model"),
    "text": (b"<html><body>404: not found</body></html>", "is no ONNX model"),
    "json": (b'{"irVersion": "8", "graph": {}}', "is no ONNX model"),
    "zeros": (bytes(1000), "is no ONNX model"),
    "no-graph": (b"\x08\x08", "it has no graph"),
    "appended": (before().SerializeToString() + b"\xff\xff\xff", "truncated"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_row_8_broken_files(tmp_path: Path, kind: str) -> None:
    data, said = BROKEN[kind]
    refuse(write(data, tmp_path), "model.onnx", said)


def test_row_8_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").mkdir()
    refuse(tmp_path / "model.onnx", "model.onnx", "is no plain file")


def test_row_8_a_file_over_two_gigabytes(tmp_path: Path) -> None:
    path = write(before(), tmp_path)
    os.truncate(path, 2**31)
    refuse(path, "model.onnx", "2,147,483,648 bytes", "over 2 GB are refused")


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    refuse(tmp_path / "model.onnx", "there is no such file", code=2)


def test_a_name_that_no_file_system_takes_is_a_usage_error(tmp_path: Path) -> None:
    refuse(tmp_path / f"{'m' * 300}.onnx", "error", code=2, options=("--defend", "-o", tmp_path / "out.edgeguard"))


@pytest.mark.parametrize("name", ["model.json", "model.onnxtxt", "model.textproto"])
def test_a_name_decides_nothing(tmp_path: Path, name: str) -> None:
    refuse_loading(write(b'ir_version: 8 graph { name: "g" }', tmp_path, name), "is no ONNX model")
    accept(write(before(), tmp_path, name))


RECURSIVE = {
    "direct": [function("F0", [call("F0")])],
    "mutual": [function("F0", [call("F1")]), function("F1", [call("F0")])],
    "long": [function(f"F{index}", [call(f"F{(index + 1) % 50}")]) for index in range(50)],
    "uncalled": [
        function("F0", [helper.make_node("Identity", ["a"], ["o"])]),
        function("F1", [call("F1")]),
    ],
}


@pytest.mark.parametrize("kind", RECURSIVE)
def test_row_9_functions_that_call_themselves(tmp_path: Path, kind: str) -> None:
    refuse(write(with_functions(*RECURSIVE[kind]), tmp_path), "its function 'F", "calls itself")


def test_row_9_a_function_that_calls_itself_from_a_branch(tmp_path: Path) -> None:
    output = helper.make_tensor_value_info("q", TensorProto.FLOAT, None)
    branch = helper.make_graph([call("F0", "a", "q")], "branch", [], [output])
    condition = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
    body = [condition, helper.make_node("If", ["yes"], ["o"], then_branch=branch, else_branch=branch)]
    refuse_loading(write(with_functions(function("F0", body)), tmp_path), "its function 'F0' calls itself")


def doubling(depth: int, last: list[object]) -> ModelProto:
    """Each function calls the next one twice."""
    bodies = [
        function(f"F{index}", [call(f"F{index + 1}", "a", "m"), call(f"F{index + 1}", "m", "o")])
        for index in range(depth)
    ]
    return with_functions(*bodies, function(f"F{depth}", last))  # type: ignore[arg-type]


def test_row_9_functions_that_double(tmp_path: Path) -> None:
    identity = helper.make_node("Identity", ["a"], ["o"])
    refuse(write(doubling(60, [identity]), tmp_path), "its functions expand to 1,152,921,504,606,846")
    accept(write(doubling(3, [identity]), tmp_path, "small.onnx"))


def test_row_9_functions_that_double_a_large_constant(tmp_path: Path) -> None:
    large = helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(np.ones(2**18, np.float32)))
    model = doubling(12, [large, helper.make_node("Identity", ["a"], ["o"])])
    refuse(write(model, tmp_path), "its functions expand to", "bytes; the limits are")


def test_a_long_chain_of_functions(tmp_path: Path) -> None:
    chain = [function(f"F{index}", [call(f"F{index + 1}")]) for index in range(5000)]
    last = function("F5000", [helper.make_node("Identity", ["a"], ["o"])])
    refuse(write(with_functions(*chain, last), tmp_path), "its functions cannot be expanded")


def test_more_nodes_than_any_network_has(tmp_path: Path) -> None:
    chain = [node("Identity", ["x" if index == 0 else f"x{index}"], f"x{index + 1}") for index in range(20_001)]
    refuse(write(before(chain, first="x20001"), tmp_path), "has 20,003 nodes; the limit is 20,000")


def test_row_11_a_custom_operator(tmp_path: Path) -> None:
    custom = helper.make_node("FastGelu", ["x"], ["x2"], domain="com.microsoft", name="gelu")
    model = before([custom], first="x2")
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    refuse(write(model, tmp_path), "node 'gelu'", "com.microsoft::FastGelu", "standard operators only")


def test_row_11_a_custom_operator_in_a_function(tmp_path: Path) -> None:
    inner = helper.make_node("Evil", ["a"], ["o"], domain="evil.example")
    body = function("F0", [inner])
    body.opset_import.append(helper.make_opsetid("evil.example", 1))
    refuse_loading(write(with_functions(body), tmp_path), "evil.example")


def test_row_11_an_operator_newer_than_the_targets_runtime(tmp_path: Path) -> None:
    model = before([node("Swish", ["x"], "x2")], first="x2", opset=24)
    model.ir_version = 10
    refuse(write(model, tmp_path), "Swish")


@pytest.mark.parametrize("version", [99, 2**63 - 1])
def test_row_11_an_operator_set_of_the_future(tmp_path: Path, version: int) -> None:
    model = before()
    model.opset_import[0].version = version
    refuse(write(model, tmp_path), f"uses operator set {version}", "older opset_version")


@pytest.mark.parametrize("operator", ["RandomUniformLike", "Bernoulli"])
def test_a_network_that_answers_by_chance(tmp_path: Path, operator: str) -> None:
    model = before([node(operator, ["x"], "r"), node("Add", ["x", "r"], "x2")], first="x2")
    refuse_loading(write(model, tmp_path), operator, "answers differently each time")


def test_a_quantized_network_is_named_as_such(tmp_path: Path) -> None:
    scale, zero = np.array(0.1, np.float32), np.array(0, np.int8)
    model = before(
        [node("QuantizeLinear", ["x", "s", "z"], "q"), node("DequantizeLinear", ["q", "s", "z"], "x2")],
        {"s": scale, "z": zero},
        first="x2",
    )
    refuse(write(model, tmp_path), "node 'n_q'", "is quantized already: QuantizeLinear", "Pass the float network")


@pytest.mark.parametrize(
    ("old", "new"), [(b"\x04flat", b"\x04fl\xfft"), (b"Flatten", b"Fl\xfe\xfeten"), (b"\x01w", b"\x01\xff")]
)
def test_names_that_are_no_text(tmp_path: Path, old: bytes, new: bytes) -> None:
    data = before().SerializeToString()
    assert old in data
    refuse(write(data.replace(old, new), tmp_path), "which is no text")


def test_a_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    model = before()
    model.graph.node[0].op_type = "Fl\x1b]0;title\x07\n\u202eatten"
    message = refuse(write(model, tmp_path), "does not exist in operator set")
    assert not {"\x07", "\x1b", "\u202e"} & set(message)


def test_a_file_that_kills_the_runtime(tmp_path: Path) -> None:
    """The smallest integer divided by -1: ONNX Runtime 1.32 dies of SIGFPE."""
    model = before(
        [
            node("Div", ["smallest", "minus"], "quotient"),
            node("Cast", ["quotient"], "float", to=TensorProto.FLOAT),
            node("Add", ["x", "float"], "x2"),
        ],
        {"smallest": np.array(-(2**63)), "minus": np.array(-1)},
        first="x2",
    )
    refuse(write(model, tmp_path), "model.onnx", "it kills the process that runs it (SIGFPE)")


def test_constants_that_take_hours_to_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_probe, "SECONDS", 2)
    side = [node("ConstantOfShape", ["shape"], "m0", value=numpy_helper.from_array(np.full(1, 1e-5, np.float32)))]
    products = [node("MatMul", [f"m{index}", "m0"], f"m{index + 1}") for index in range(100)]
    end = [node("ReduceSum", ["m100"], "sum", keepdims=0), node("Add", ["x", "sum"], "x2")]
    model = before([*side, *products, *end], {"shape": np.array([4096, 4096])}, first="x2")
    refuse_loading(write(model, tmp_path), "takes more than 2 s")


def test_a_file_beside_the_model_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child processes start where the user stands, which may be a folder full of downloads."""
    for name in ("onnx", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    load_model(LoadRequest(write(before(), tmp_path)))
    assert not (tmp_path / "canary").exists()
