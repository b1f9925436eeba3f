"""Float networks that come as ONNX."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeguard.digests import file_digest
from edgeguard.export.loading import LoadRequest, load_model
from tests.artifacts import random_network
from tests.export.graphs import Array, build, node, random_inputs, run


def old_style(path: Path) -> tuple[Path, dict[str, Array]]:
    """As exporters of 2018 wrote them, and as the ONNX zoo's MNIST still is: operator set 8, IR 3, constants listed
    among the inputs, a reshaped constant in front of the last product."""
    rng = np.random.default_rng(3)
    weights: dict[str, Array] = {
        "w": rng.normal(0, 0.3, (4, 1, 3, 3)).astype(np.float32),
        "dense": rng.normal(0, 0.1, (4, 6, 6, 10)).astype(np.float32),
        "bias": rng.normal(0, 0.1, (1, 10)).astype(np.float32),
        "shape": np.array([144, 10], np.int64),
        "flat": np.array([1, 144], np.int64),
    }
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Relu", ["c"], "r"),
        node("Reshape", ["r", "flat"], "f"),
        node("Reshape", ["dense", "shape"], "d"),
        node("MatMul", ["f", "d"], "m"),
        node("Add", ["m", "bias"], "out"),
    ]
    model = build(nodes, weights, shape=(1, 8, 8), output="out", batch=1, output_shape=(1, 10), opset=8, ir_version=3)
    for name, value in weights.items():
        kind = TensorProto.INT64 if value.dtype == np.int64 else TensorProto.FLOAT
        model.graph.input.append(helper.make_tensor_value_info(name, kind, value.shape))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path, weights


def test_an_old_file_with_its_constants_among_the_inputs(tmp_path: Path) -> None:
    path, weights = old_style(tmp_path / "old.onnx")
    found = load_model(LoadRequest(path))
    assert [source.name for source in found.model.graph.input] == ["x"]
    assert (found.kind, found.input_shape, found.batch, found.module) == ("onnx", (1, 8, 8), 1, None)
    assert found.sha256 == file_digest(path)
    values = random_inputs(3, (1, 8, 8))
    windows = np.lib.stride_tricks.sliding_window_view(values[:, 0], (3, 3), axis=(1, 2))
    hidden = np.maximum(np.einsum("nyxab,kab->nkyx", windows, weights["w"][:, 0]), 0)
    expected = hidden.reshape(3, -1) @ weights["dense"].reshape(144, 10) + weights["bias"]
    assert np.abs(run(found.model, values, 1) - expected).max() < 1e-4


def test_a_file_in_the_newest_form_is_taken_as_it_is(tmp_path: Path) -> None:
    model = random_network()
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    found = load_model(LoadRequest(tmp_path / "model.onnx"))
    assert (found.input_shape, found.batch) == ((3, 16, 16), None)
    values = random_inputs(5, (3, 16, 16))
    assert np.array_equal(run(found.model, values), run(model, values))


def test_external_data_beside_the_file_is_read(tmp_path: Path) -> None:
    model = random_network()
    expected = run(model, random_inputs(2, (3, 16, 16)))
    onnx.save_model(
        model, tmp_path / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=100
    )
    assert (tmp_path / "weights.bin").stat().st_size > 10_000
    found = load_model(LoadRequest(tmp_path / "model.onnx"))
    assert np.array_equal(run(found.model, random_inputs(2, (3, 16, 16))), expected)


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    weights: dict[str, Array] = {"w": np.random.default_rng(0).normal(0, 0.1, (192, 10)).astype(np.float32)}
    model = build([node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "m")], weights)
    model.graph.node.append(helper.make_node("Twice", ["m"], ["logits"], name="twice", domain="mine"))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    body = [helper.make_node("Add", ["value", "value"], ["twice"])]
    model.functions.append(
        helper.make_function("mine", "Twice", ["value"], ["twice"], body, [helper.make_opsetid("", 20)])
    )
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    found = load_model(LoadRequest(tmp_path / "model.onnx"))
    values = random_inputs(2)
    assert not found.model.functions
    assert np.allclose(run(found.model, values), 2 * values.reshape(2, -1) @ weights["w"], atol=1e-4)


@pytest.mark.parametrize("name", ["model.onnx", "model.bin", "model"])
def test_its_name_does_not_matter(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(random_network().SerializeToString())
    assert load_model(LoadRequest(tmp_path / name)).kind == "onnx"


def test_loading_and_exporting_onnx_never_imports_torch(tmp_path: Path) -> None:
    """Whoever has an ONNX file need not have torch."""
    (tmp_path / "model.onnx").write_bytes(random_network().SerializeToString())
    np.savez(tmp_path / "images.npz", x=np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8))
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from edgeguard.cli.main import main\n"
        "try:\n"
        "    main(['export', 'model.onnx', '--int8', '--defend', '--calibration', 'images.npz'])\n"
        "finally:\n"
        "    assert sys.modules['torch'] is None\n"
        "    assert not [name for name in sys.modules if name.startswith(('torch.', 'onnxscript'))]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.edgeguard" / "model.onnx").is_file()


def test_constants_keep_their_values(tmp_path: Path) -> None:
    path, weights = old_style(tmp_path / "old.onnx")
    found = {each.name: numpy_helper.to_array(each) for each in load_model(LoadRequest(path)).model.graph.initializer}
    for name, value in weights.items():
        assert np.array_equal(found[name], value)
