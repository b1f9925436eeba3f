"""The input's shape: where the file does not carry it, the message says how to give it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeguard.errors import BadModel, UsageError
from edgeguard.export.loading import LoadRequest, load_model
from tests.export.graphs import Array, build, node, random_inputs, run
from tests.networks import SHAPE


def pooled(path: Path, shape: list[str | int]) -> Path:
    """A network for inputs of any height and width, whose file says ``shape``."""
    weights: dict[str, Array] = {"w": random_inputs(10, (3, 3, 3), seed=1)}
    nodes = [node("Conv", ["x", "w"], "c"), node("GlobalAveragePool", ["c"], "g"), node("Flatten", ["g"], "logits")]
    model = build(nodes, weights)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    del dims[:]
    for size in shape:
        dims.add(**{"dim_value" if isinstance(size, int) else "dim_param": size})  # type: ignore[arg-type]
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("name", ["script.pt", "state.pt", "pickled.pt"])
def test_torch_files_that_do_not_say_it(files: Path, name: str) -> None:
    request = LoadRequest(files / name, arch="tests.networks:tiny", trust_pickle=True)
    with pytest.raises(UsageError, match=r"does not say what input it takes.*--input-shape 3,32,32") as raised:
        load_model(request)
    assert str(files / name) in str(raised.value)


def test_a_shape_that_the_network_does_not_take(files: Path) -> None:
    with pytest.raises(BadModel, match=r"fails on an input of shape \[1, 16, 16\].*--input-shape"):
        load_model(LoadRequest(files / "state.pt", "tests.networks:tiny", input_shape=(1, 16, 16)))


@pytest.mark.parametrize("shape", [(3, 0, 16), (3, -16, 16), (2**10, 2**10, 2**9)])
def test_shapes_that_cannot_be(files: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadModel, match="input shape"):
        load_model(LoadRequest(files / "script.pt", input_shape=shape))


def test_an_exported_program_says_it_itself(files: Path) -> None:
    with pytest.raises(UsageError, match=r"--input-shape: the file says \[3, 16, 16\]. Leave the option out"):
        load_model(LoadRequest(files / "fixed.pt2", input_shape=(3, 32, 32)))
    assert load_model(LoadRequest(files / "fixed.pt2", input_shape=SHAPE)).input_shape == SHAPE


def test_an_onnx_file_with_free_height_and_width(tmp_path: Path) -> None:
    path = pooled(tmp_path / "model.onnx", ["n", 3, "h", "w"])
    with pytest.raises(BadModel, match=r"has shape \[3, '\?', '\?'\].*--input-shape 3,224,224"):
        load_model(LoadRequest(path))
    found = load_model(LoadRequest(path, input_shape=(3, 8, 8)))
    assert (found.input_shape, found.batch) == ((3, 8, 8), None)
    assert [dim.dim_value for dim in found.model.graph.input[0].type.tensor_type.shape.dim[1:]] == [3, 8, 8]


def test_a_given_shape_must_fit_what_the_file_says(tmp_path: Path) -> None:
    path = pooled(tmp_path / "model.onnx", ["n", 3, "h", "w"])
    with pytest.raises(UsageError, match=r"--input-shape: \[1, 8, 8\] does not fit the file's"):
        load_model(LoadRequest(path, input_shape=(1, 8, 8)))


@pytest.mark.parametrize("batch", [1, 4])
def test_an_onnx_file_with_a_fixed_batch(tmp_path: Path, batch: int) -> None:
    path = pooled(tmp_path / "model.onnx", [batch, 3, 8, 8])
    found = load_model(LoadRequest(path))
    assert found.batch == batch
    free = load_model(LoadRequest(pooled(tmp_path / "free.onnx", ["n", 3, 8, 8])))
    values = random_inputs(5)
    assert np.allclose(run(found.model, values, batch), run(free.model, values))
