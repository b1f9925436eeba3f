"""The manifest as a file: its law, its published schema, and files that nobody honest wrote."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

import edgeguard.schemas
from edgeguard.artifact import MANIFEST
from edgeguard.errors import Untrusted
from edgeguard.manifest import (
    SCHEMA_VERSION,
    Manifest,
    manifest_schema,
    oldest_reader,
    read_manifest,
    write_manifest,
)
from tests.artifacts import make_artifact
from tests.core.manifests import manifests

SCHEMA = Path(edgeguard.schemas.__file__).with_name("manifest.schema.json")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("manifest"), labels=tuple("abcdefghij"))


def changed(artifact: Path, target: Path, change: dict[str, Any]) -> Path:
    """The artifact's manifest at ``target``, with some of its fields replaced (dots go into objects)."""
    content = json.loads((artifact / MANIFEST).read_bytes())
    for key, value in change.items():
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    target.write_text(json.dumps(content))
    return target


@settings(deadline=None, max_examples=60)
@given(manifest=manifests)
def test_reading_what_was_written_gives_an_equal_manifest(
    tmp_path_factory: pytest.TempPathFactory, manifest: Manifest
) -> None:
    path = tmp_path_factory.getbasetemp() / "law.json"
    path.write_bytes(write_manifest(manifest))
    assert read_manifest(path) == manifest


@settings(deadline=None, max_examples=60)
@given(manifest=manifests)
def test_whatever_is_written_fits_the_schema(manifest: Manifest) -> None:
    jsonschema.validate(json.loads(write_manifest(manifest)), manifest_schema())


def test_the_published_schema_is_current() -> None:
    """Run with EDGEGUARD_UPDATE=1 after a change of the manifest's types, and review the difference."""
    expected = json.dumps(manifest_schema(), indent=2) + "\n"
    if os.environ.get("EDGEGUARD_UPDATE"):
        SCHEMA.write_text(expected)
    assert SCHEMA.read_text() == expected, "run EDGEGUARD_UPDATE=1 pytest tests/core/test_manifest.py"


def test_a_real_manifest_fits_the_published_schema_and_a_wrong_one_does_not(artifact: Path, tmp_path: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((artifact / MANIFEST).read_bytes()), schema)
    wrong = changed(artifact, tmp_path / "wrong.json", {"model.format": "pickle"})
    with pytest.raises(jsonschema.ValidationError, match="pickle"):
        jsonschema.validate(json.loads(wrong.read_bytes()), schema)


def test_unknown_fields_are_ignored(artifact: Path, tmp_path: Path) -> None:
    path = changed(
        artifact, tmp_path / "new.json", {"invented": {"later": 1}, "model.invented": 2, "schema_version": 7}
    )
    assert read_manifest(path) == replace(read_manifest(artifact / MANIFEST), schema_version=7)


@pytest.mark.parametrize("needed", [SCHEMA_VERSION + 1, float(SCHEMA_VERSION + 1)])
def test_a_manifest_that_needs_a_newer_reader_is_refused(artifact: Path, tmp_path: Path, needed: float) -> None:
    path = changed(artifact, tmp_path / "new.json", {"min_reader": needed, "model": "a format of the future"})
    with pytest.raises(Untrusted, match="needs a reader of schema version") as raised:
        read_manifest(path)
    assert raised.value.fix == "Install a newer edgeguard"


def test_text_that_reads_as_a_newer_reader_is_refused_too(artifact: Path, tmp_path: Path) -> None:
    # JSON's types are converted where that loses nothing, so this is a 99
    with pytest.raises(Untrusted, match="needs a reader of schema version 99"):
        read_manifest(changed(artifact, tmp_path / "new.json", {"min_reader": "99"}))


def test_a_reader_of_version_2_still_understands_onnx_and_only_that(artifact: Path) -> None:
    assert json.loads((artifact / MANIFEST).read_bytes())["min_reader"] == oldest_reader("onnx") == 2
    assert oldest_reader("tflite") == 3


@settings(deadline=None, max_examples=60)
@given(manifest=manifests)
def test_a_gate_takes_a_reader_that_knows_its_cells(manifest: Manifest) -> None:
    if manifest.defense is None or manifest.defense.gate is None:
        return
    assert manifest.min_reader == SCHEMA_VERSION == 4
    with pytest.raises(Untrusted, match="takes a reader of schema version 4, not 3"):
        replace(manifest, min_reader=3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model.format": "tflite", "min_onnxruntime": None}, "takes a reader of schema version 3, not 2"),
        ({"model.format": "tflite", "min_reader": 3}, "min_onnxruntime is '1.17' for a model in tflite"),
        ({"min_onnxruntime": None}, "min_onnxruntime is None for a model in onnx"),
    ],
)
def test_what_depends_on_the_format_must_go_with_it(
    artifact: Path, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(Untrusted, match=says):
        read_manifest(changed(artifact, tmp_path / MANIFEST, change))
    whole = {"model.format": "tflite", "min_onnxruntime": None, "min_reader": 3}
    assert read_manifest(changed(artifact, tmp_path / MANIFEST, whole)).model.format == "tflite"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"manifest"',
        b"\xff\xfe",
        b"PK\x03\x04",
        b"[" * 100_000,
        b'{"min_reader": 1}',
    ],
)
def test_what_is_no_manifest_is_untrusted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / MANIFEST
    path.write_bytes(content)
    with pytest.raises(Untrusted) as raised:
        read_manifest(path)
    assert raised.value.exit_code == 4
    assert raised.value.where == str(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model.input_shape": "3,16,16"}, "model.input_shape"),
        ({"model.head.classes": 1}, "two classes"),
        ({"model.head.scale": 0.1}, "scale and zero point"),
        ({"preprocess.crop": 7}, "crop"),
        ({"preprocess.std": [0.0]}, "std"),
        ({"defense.placement": "elsewhere"}, "defense.placement"),
        ({"files": {"model.onnx": {"sha256": "0"}}}, "size"),
    ],
)
def test_a_wrong_value_is_untrusted_whoever_notices(
    artifact: Path, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(Untrusted, match=says):
        read_manifest(changed(artifact, tmp_path / MANIFEST, change))


def test_only_a_plain_file_is_read(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(artifact / MANIFEST)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder", "missing"):
        with pytest.raises(Untrusted, match="no plain file"):
            read_manifest(tmp_path / name)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / MANIFEST
    with path.open("wb") as stream:
        stream.truncate(1 << 32)
    with pytest.raises(Untrusted, match="larger than"):
        read_manifest(path)
