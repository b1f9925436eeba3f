"""Opening artifacts: every file accounted for, and nothing outside the directory touched."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgeguard.artifact import GOLDEN, MANIFEST, lab_directory, open_artifact
from edgeguard.errors import Untrusted, UsageError
from tests.artifacts import make_artifact


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("artifact"))


@pytest.fixture
def artifact(pristine: Path, tmp_path: Path) -> Path:
    """A copy, with its lab, that a test may damage."""
    shutil.copytree(lab_directory(pristine), tmp_path / lab_directory(pristine).name)
    return Path(shutil.copytree(pristine, tmp_path / pristine.name))


def edit(artifact: Path, change: Any) -> None:
    content = json.loads((artifact / MANIFEST).read_bytes())
    change(content)
    (artifact / MANIFEST).write_text(json.dumps(content))


def test_an_intact_artifact_opens(artifact: Path) -> None:
    opened = open_artifact(artifact)
    assert opened.model_path == artifact / "model.onnx"
    assert opened.golden_path == artifact / GOLDEN
    assert opened.manifest.classes == 10


def test_it_opens_through_a_versioned_link(artifact: Path) -> None:
    link = artifact.with_name("current")
    link.symlink_to(artifact.name)
    assert open_artifact(link).manifest == open_artifact(artifact).manifest


@pytest.mark.parametrize("name", ["model.onnx", GOLDEN])
@pytest.mark.parametrize("position", [0, -1])
def test_one_changed_byte_is_untrusted(artifact: Path, name: str, position: int) -> None:
    data = bytearray((artifact / name).read_bytes())
    data[position] ^= 1
    (artifact / name).write_bytes(data)
    with pytest.raises(Untrusted, match="differs from what the manifest records") as raised:
        open_artifact(artifact)
    assert raised.value.where == str(artifact / name)


@pytest.mark.parametrize("data", [b"", b"x"])
def test_another_size_is_untrusted(artifact: Path, data: bytes) -> None:
    with (artifact / "model.onnx").open("ab" if data else "wb") as stream:
        stream.write(data)
    with pytest.raises(Untrusted, match="differs"):
        open_artifact(artifact)


def test_a_surplus_file_is_untrusted(artifact: Path) -> None:
    (artifact / "extra.so").write_bytes(b"")
    with pytest.raises(Untrusted, match="does not belong") as raised:
        open_artifact(artifact)
    assert raised.value.where == str(artifact / "extra.so")


@pytest.mark.parametrize("name", ["model.onnx", GOLDEN, MANIFEST])
def test_a_missing_file_is_untrusted(artifact: Path, name: str) -> None:
    (artifact / name).unlink()
    with pytest.raises(Untrusted, match="missing"):
        open_artifact(artifact)


@pytest.mark.parametrize("name", ["model.onnx", MANIFEST])
def test_a_link_to_the_same_content_is_untrusted(artifact: Path, name: str) -> None:
    (artifact / name).rename(artifact.with_name("elsewhere"))
    (artifact / name).symlink_to(artifact.with_name("elsewhere"))
    with pytest.raises(Untrusted, match="no plain file"):
        open_artifact(artifact)


def test_a_pipe_in_place_of_a_file_is_not_read(artifact: Path) -> None:
    (artifact / GOLDEN).unlink()
    os.mkfifo(artifact / GOLDEN)
    with pytest.raises(Untrusted, match="no plain file"):
        open_artifact(artifact)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "a\0b", "a\nb", "\ud800"])
def test_a_hostile_file_name_is_untrusted(artifact: Path, name: str) -> None:
    def change(content: dict[str, Any]) -> None:
        content["files"][name] = content["files"]["model.onnx"]

    artifact.with_name("outside").write_bytes((artifact / "model.onnx").read_bytes())
    edit(artifact, change)
    with pytest.raises(Untrusted, match=r"not a plain name|is not JSON|the file|files") as raised:
        open_artifact(artifact)
    assert raised.value.where == str(artifact / MANIFEST)


def test_the_model_must_be_one_of_the_files(artifact: Path) -> None:
    edit(artifact, lambda content: content["model"].update(file="../model.onnx"))
    with pytest.raises(Untrusted, match="not among its files"):
        open_artifact(artifact)


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_what_is_no_directory_is_a_usage_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.edgeguard"
    if kind == "file":
        path.write_bytes(b"")
    with pytest.raises(UsageError, match="not an artifact"):
        open_artifact(path)


def test_the_lab_lies_beside_and_is_verified_file_by_file(artifact: Path) -> None:
    opened = open_artifact(artifact)
    assert opened.lab_file("float.onnx") == artifact.with_name("model.lab") / "float.onnx"
    (artifact.with_name("model.lab") / "float.onnx").write_bytes(b"another export's")
    with pytest.raises(Untrusted, match="differs"):
        opened.lab_file("float.onnx")
    assert opened.lab_file("int8.onnx").is_file()


def test_a_missing_lab_says_how_to_get_one(artifact: Path) -> None:
    opened = open_artifact(artifact)
    with pytest.raises(UsageError, match=r"no calibration\.json"):
        opened.lab_file("calibration.json")
    shutil.rmtree(lab_directory(artifact))
    with pytest.raises(UsageError, match="Export again"):
        opened.lab_file("float.onnx")
