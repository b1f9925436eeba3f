"""Rows 6 and 7 of the anchors: external data is a path inside a model, and must lead nowhere but beside it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeguard.export.loading import onnx_tensors
from tests.export.hostile.networks import before, external, hiding_places, write
from tests.export.hostile.refusals import accept, refuse, refuse_loading

PLACES = hiding_places()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the model lies, below a file that it has no business with."""
    (tmp_path / "secret").write_bytes(b"s" * 400)
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


OUTSIDE = {
    "../secret": "outside the model's directory",
    "../../../../../../etc/passwd": "outside the model's directory",
    "/etc/passwd": "outside the model's directory",
    "sub/../../secret": "outside the model's directory",
    "..\\secret": "outside the model's directory",
    "": "outside the model's directory",
    ".": "outside the model's directory",
    "missing.bin": "cannot be read",
    "folder": "is no plain file",
    "pipe": "is no plain file",
    "symbolic": "behind a symbolic link",
    "symbolic-folder/secret": "behind a symbolic link",
    "hard": "is a hard link",
    "x" * 5000: "has 5,000 characters",
    "*/_ORT_MEM_ADDR_/*": "an address in ONNX Runtime's memory",
    "_ORT_MEM_ADDR_": "an address in ONNX Runtime's memory",
}


@pytest.mark.parametrize("location", OUTSIDE, ids=lambda text: text[:30] or "empty")
def test_data_anywhere_but_beside_the_model_is_refused(folder: Path, location: str) -> None:
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "symbolic").symlink_to("../secret")
    (folder / "symbolic-folder").symlink_to("..")
    os.link(folder.parent / "secret", folder / "hard")
    model = write(PLACES["initializer"](external(location)), folder)
    message = refuse_loading(model, "outside", OUTSIDE[location])
    assert str(model) in message


@pytest.mark.parametrize("location", ["../../../../../../etc/passwd", "/etc/passwd", "symbolic", "hard"])
def test_row_6_through_the_command_line(folder: Path, location: str) -> None:
    (folder / "symbolic").symlink_to("../secret")
    os.link(folder.parent / "secret", folder / "hard")
    refuse(write(PLACES["initializer"](external(location)), folder), "tensor 'outside'", "external data", "model.onnx")


@pytest.mark.parametrize("offset", [-4, 2**62, 10**30, "no-number", "9" * 5000], ids=lambda value: str(value)[:12])
def test_row_6_offsets_outside_the_file(folder: Path, offset: int | str) -> None:
    (folder / "data.bin").write_bytes(bytes(40))
    model = PLACES["initializer"](external("data.bin", offset=offset, length=40))
    refuse(write(model, folder), "tensor 'outside'", "external data")


@pytest.mark.parametrize("length", [-1, 41, 2**62, "no-number"])
def test_row_6_lengths_outside_the_file(folder: Path, length: int | str) -> None:
    (folder / "data.bin").write_bytes(bytes(40))
    refuse_loading(write(PLACES["initializer"](external("data.bin", length=length)), folder), "external data")


def test_row_7_an_address_in_the_runtimes_memory(folder: Path) -> None:
    tensor = external("*/_ORT_MEM_ADDR_/*", offset=140_000_000_000_000, length=40)
    refuse(write(PLACES["initializer"](tensor), folder), "an address in ONNX Runtime's memory", "Save the model again")


@pytest.mark.parametrize("place", PLACES)
def test_no_place_in_a_model_may_hold_it(folder: Path, place: str) -> None:
    model = PLACES[place](external("../secret"))
    refuse_loading(write(model, folder), "external data", "outside the model's directory")


@pytest.mark.parametrize("place", ["initializer", "constant", "subgraph", "function"])
def test_the_same_places_may_hold_data_beside_the_model(folder: Path, place: str) -> None:
    (folder / "data.bin").write_bytes(np.arange(10, dtype=np.float32).tobytes())
    accept(write(PLACES[place](external("data.bin")), folder))


def test_data_smaller_than_its_dimensions_is_refused(folder: Path) -> None:
    (folder / "data.bin").write_bytes(bytes(36))
    refuse(write(PLACES["initializer"](external("data.bin")), folder), "has 36 bytes, its dimensions need 40")


def test_all_external_data_together_is_limited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tensors may point at the same bytes of a sparse file."""
    monkeypatch.setattr(onnx_tensors, "MAX_BYTES", 10_000)
    with (folder / "data.bin").open("wb") as stream:
        stream.truncate(2**40)
    model = before()
    for index in range(4):
        tensor = external("data.bin", dims=[2000])
        tensor.name = f"large{index}"
        model.graph.initializer.append(tensor)
    refuse_loading(write(model, folder), "tensor 'large1'", "more than 10,000 bytes in all")


def test_a_real_model_with_its_weights_beside_it_works(folder: Path) -> None:
    path = folder / "model.onnx"
    onnx.save(before(), path, save_as_external_data=True, location="weights.bin", size_threshold=100)
    assert (folder / "weights.bin").stat().st_size >= 10 * 192 * 4
    artifact = accept(path)
    assert {entry.name for entry in artifact.iterdir()} == {"model.onnx", "golden.npz", "manifest.json"}
    # Inside it: an artifact's model must not depend on files that are not its own.
    assert not any(tensor.external_data for tensor in onnx.load(artifact / "model.onnx").graph.initializer)
