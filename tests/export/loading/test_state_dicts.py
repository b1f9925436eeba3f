"""State dicts: how they come wrapped, and the factory that they need."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from edgeguard.errors import BadModel, UsageError
from edgeguard.export.loading import LoadRequest
from edgeguard.export.loading.pickled import build_network, load_pickle
from tests.networks import SHAPE, Tiny, inputs, trained_tiny

ARCH = "tests.networks:tiny"


def wrapped(key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {"epoch": 3, key: state, "optimizer": {"lr": 0.1}}


def prefixed(state: dict[str, Any]) -> dict[str, Any]:
    return {f"module.{key}": value for key, value in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        *map(wrapped, ("state_dict", "model_state_dict", "model", "net")),
        prefixed,
        lambda state: wrapped("state_dict")(prefixed(state)),
    ],
    ids=["state_dict", "model_state_dict", "model", "net", "prefixed", "both"],
)
def test_checkpoints_are_unwrapped(tmp_path: Path, wrap: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    network = trained_tiny()
    torch.save(wrap(network.state_dict()), tmp_path / "model.pt")
    found, whole = load_pickle(LoadRequest(tmp_path / "model.pt", ARCH))
    assert not whole
    assert not found.training
    with torch.no_grad():
        assert torch.equal(found(inputs(2)), network(inputs(2)))


def test_a_prefix_that_only_some_keys_have_is_part_of_the_name(tmp_path: Path) -> None:
    state = trained_tiny().state_dict()
    state["module.conv1.weight"] = state.pop("conv1.weight")
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(BadModel, match=r"missing: conv1\.weight; surplus: module\.conv1\.weight"):
        load_pickle(LoadRequest(tmp_path / "model.pt", ARCH))


def test_a_state_dict_without_its_network(tmp_path: Path) -> None:
    torch.save(trained_tiny().state_dict(), tmp_path / "model.pt")
    with pytest.raises(UsageError, match=r"weights without the network.*--arch mypackage\.nets:resnet20"):
        load_pickle(LoadRequest(tmp_path / "model.pt"))


def test_another_networks_state_dict(tmp_path: Path) -> None:
    torch.save(Tiny(classes=7).state_dict(), tmp_path / "model.pt")
    with pytest.raises(BadModel, match=r"2 tensors.*dense\.weight is \[7, 16\] in the file and \[10, 16\].*--arch-arg"):
        load_pickle(LoadRequest(tmp_path / "model.pt", ARCH))


@pytest.mark.parametrize("content", [{}, [1.0, 2.0], torch.zeros(3), {"weights": 3.0}], ids=str)
def test_data_that_is_no_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(BadModel, match="not a state_dict"):
        load_pickle(LoadRequest(tmp_path / "model.pt", ARCH))


def test_the_factorys_arguments_are_numbers_truths_or_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "echoing.py").write_text(
        "import torch\n\n\ndef build(**given):\n    network = torch.nn.Identity()\n    network.given = given\n"
        "    return network\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    texts = (("a", "3"), ("b", "0.5"), ("c", "True"), ("d", "false"), ("e", "relu"), ("f", "1e-3"), ("g", "a=b"))
    network = build_network(LoadRequest(Path("x.pt"), "echoing:build", texts))
    assert network.given == {"a": 3, "b": 0.5, "c": True, "d": False, "e": "relu", "f": 0.001, "g": "a=b"}
    assert type(network.given["a"]) is int  # type: ignore[index]


def test_arguments_reach_the_network(tmp_path: Path) -> None:
    torch.save(Tiny(classes=7, width=4).state_dict(), tmp_path / "model.pt")
    request = LoadRequest(tmp_path / "model.pt", ARCH, (("classes", "7"), ("width", "4")))
    found, _ = load_pickle(request)
    assert found(torch.zeros(1, *SHAPE)).shape == (1, 7)


@pytest.mark.parametrize(
    ("arch", "arguments", "said"),
    [
        ("tests.networks", (), r"'tests\.networks' is not of the form pkg\.module:factory"),
        ("tests.nowhere:tiny", (), "cannot import.*ModuleNotFoundError.*current directory"),
        ("tests.networks:nothing", (), "cannot import.*AttributeError"),
        (ARCH, (("clases", "7"),), "tests.networks:tiny fails: TypeError.*clases"),
        ("tests.networks:inputs", (("count", "1"),), "returns Tensor, not a torch.nn.Module"),
    ],
)
def test_factories_that_do_not_work(arch: str, arguments: tuple[tuple[str, str], ...], said: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){said}"):
        build_network(LoadRequest(Path("x.pt"), arch, arguments))


def test_the_factory_may_lie_in_the_current_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nets_of_mine.py").write_text("import torch\n\n\ndef build():\n    return torch.nn.ReLU()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    assert isinstance(build_network(LoadRequest(Path("x.pt"), "nets_of_mine:build")), torch.nn.ReLU)
