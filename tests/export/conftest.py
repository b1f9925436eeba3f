"""Model files of every kind, each written once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edgeguard.export.loading import LoadedModel, LoadRequest, load_model
from tests.networks import SHAPE, FixedBatch, Tiny, inputs, trained_tiny

# Networks this small gain nothing from threads, and lose tenfold where other processes hold the cores.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def network() -> Tiny:
    """The network that all the files hold."""
    return trained_tiny()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, network: Tiny) -> Path:
    """A folder with ``network`` in every form that torch can save it in."""
    folder = tmp_path_factory.mktemp("models")
    torch.save(network.state_dict(), folder / "state.pt")
    torch.jit.script(network).save(str(folder / "script.pt"))
    torch.save(network, folder / "pickled.pt")
    dynamic = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(network, (inputs(2),), dynamic_shapes=dynamic), folder / "dynamic.pt2")
    torch.export.save(torch.export.export(network, (inputs(1),)), folder / "fixed.pt2")
    torch.save(trained_tiny(FixedBatch).state_dict(), folder / "fixed_state.pt")
    torch.jit.trace(network, inputs(2)).save(str(folder / "traced.pt"))
    torch.jit.script(trained_tiny(normalised=False)).save(str(folder / "plain_script.pt"))
    return folder


_REQUESTS = {
    "state.pt": {"arch": "tests.networks:tiny", "input_shape": SHAPE},
    "fixed_state.pt": {"arch": "tests.networks:FixedBatch", "input_shape": SHAPE},
    "pickled.pt": {"trust_pickle": True, "input_shape": SHAPE},
    "script.pt": {"input_shape": SHAPE},
    "traced.pt": {"input_shape": SHAPE},
    "plain_script.pt": {"input_shape": SHAPE},
    "dynamic.pt2": {},
    "fixed.pt2": {},
}


@pytest.fixture(scope="session")
def loaded(files: Path) -> Callable[[str], LoadedModel]:
    """A file of ``files`` by name, loaded as it must be; each once, for torch's exporter takes seconds."""
    known: dict[str, LoadedModel] = {}

    def load(name: str) -> LoadedModel:
        if name not in known:
            known[name] = load_model(LoadRequest(files / name, **_REQUESTS[name]))  # type: ignore[arg-type]
        return known[name]

    return load
