"""Every kind of file becomes an ONNX network that computes what the torch network computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import checker

from edgeguard.digests import file_digest
from edgeguard.errors import UnsafeFile
from edgeguard.export.loading import Kind, LoadedModel, LoadRequest, load_model
from tests.export.graphs import run
from tests.networks import SHAPE, FixedBatch, Tiny, inputs, trained_tiny

Load = Callable[[str], LoadedModel]

# Logits are around 10; the exporters merge BatchNorm into convolutions, which moves the last bits of a float32.
CLOSE = 1e-4

KINDS: list[tuple[str, Kind, int | None]] = [
    ("state.pt", "state-dict", None),
    ("script.pt", "torchscript", None),
    ("traced.pt", "torchscript", None),
    ("dynamic.pt2", "exported-program", None),
    ("fixed.pt2", "exported-program", 1),
    ("pickled.pt", "pickled-module", None),
]


@pytest.mark.parametrize(("name", "kind", "batch"), KINDS)
def test_the_onnx_network_equals_the_torch_network(
    files: Path, network: Tiny, loaded: Load, name: str, kind: Kind, batch: int | None
) -> None:
    found = loaded(name)
    checker.check_model(found.model)
    values = inputs(5, seed=7)
    with torch.no_grad():
        expected = network(values).numpy()
    assert np.abs(run(found.model, values.numpy(), batch) - expected).max() < CLOSE
    assert (found.kind, found.input_shape, found.batch) == (kind, SHAPE, batch)
    assert found.sha256 == file_digest(files / name)
    assert found.module is not None


@pytest.mark.parametrize("name", ["state.pt", "script.pt", "dynamic.pt2"])
def test_a_free_batch_stays_free(loaded: Load, name: str) -> None:
    model = loaded(name).model
    for value in (model.graph.input[0], model.graph.output[0]):
        assert value.type.tensor_type.shape.dim[0].dim_param
    sizes = {len(run(model, inputs(count).numpy())) for count in (1, 2, 7)}
    assert sizes == {1, 2, 7}


def test_a_batch_that_the_network_fixes_in_its_code_becomes_one(loaded: Load) -> None:
    found = loaded("fixed_state.pt")
    assert found.batch == 1
    values = inputs(3, seed=8)
    network = trained_tiny(FixedBatch)
    with torch.no_grad():
        expected = torch.cat([network(value[None]) for value in values]).numpy()
    assert np.abs(run(found.model, values.numpy(), 1) - expected).max() < CLOSE


def test_a_pickled_module_needs_to_be_trusted(files: Path) -> None:
    with pytest.raises(UnsafeFile, match=r"pickled code.*--trust-pickle"):
        load_model(LoadRequest(files / "pickled.pt", input_shape=SHAPE))


def test_a_script_saved_while_training_is_exported_as_in_use(tmp_path: Path) -> None:
    """A TorchScript file remembers whether it was saved while training; answers must not depend on it."""
    network = trained_tiny()
    torch.jit.script(network.train()).save(str(tmp_path / "training.pt"))
    found = load_model(LoadRequest(tmp_path / "training.pt", input_shape=SHAPE))
    with torch.no_grad():
        expected = network.eval()(inputs(3)).numpy()
    assert np.abs(run(found.model, inputs(3).numpy()) - expected).max() < CLOSE
