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
from hypothesis import strategies as st

import edgeguard.schemas
from edgeguard.artifact import MANIFEST
from edgeguard.defenses.gate import Cells, Gate
from edgeguard.defenses.head import Grid, Head
from edgeguard.defenses.record import DefenseRecord, Tuning
from edgeguard.errors import Untrusted
from edgeguard.manifest import (
    SCHEMA_VERSION,
    CalibrationFacts,
    FileFacts,
    Manifest,
    Measured,
    ModelFacts,
    QuantizationFacts,
    SourceFacts,
    manifest_schema,
    oldest_reader,
    read_manifest,
    write_manifest,
)
from edgeguard.preprocess import Preprocess
from tests.artifacts import make_artifact

SCHEMA = Path(edgeguard.schemas.__file__).with_name("manifest.schema.json")

texts = st.text(max_size=12)
shares = st.floats(0, 1)
maybe = st.one_of(st.none(), shares)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
counts = st.integers(0, 1 << 40)
files = st.dictionaries(st.text("abc.", min_size=1, max_size=6), st.builds(FileFacts, digests, counts), max_size=3)
heads = st.one_of(
    st.builds(Head, st.sampled_from(["logits", "posterior"]), st.integers(2, 1000)),
    st.builds(
        Head,
        st.just("logits"),
        st.integers(2, 1000),
        st.sampled_from(["uint8", "int8"]),
        st.floats(1e-6, 1),
        st.integers(0, 127),
    ),
)
preprocesses = st.builds(
    Preprocess,
    st.tuples(st.integers(1, 512), st.integers(1, 512)),
    crop=st.one_of(st.none(), st.floats(0.1, 1)),
    colour=st.sampled_from(["rgb", "bgr"]),
    layout=st.sampled_from(["nchw", "nhwc"]),
    scale=st.floats(1e-6, 10),
    mean=st.tuples(shares, shares, shares),
    std=st.tuples(st.floats(0.1, 3)),
    resample=st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
)
tables = st.one_of(
    st.lists(st.integers(-128, 1000), max_size=3).map(tuple),
    st.lists(shares, max_size=3).map(tuple),
    st.lists(st.lists(st.integers(0, 9), max_size=3).map(tuple), max_size=2).map(tuple),
)
# Two classes, two cells: the class that is wrong is the other one, whatever the level.
gates = st.builds(
    Gate,
    st.sampled_from(["max-logit", "max-probability", "energy"]),
    shares,
    st.builds(Cells, st.just(((1, -1),)), st.tuples(st.integers(-255, 255))),
    st.sampled_from([((1, 3), (0, 2)), ((3, 3), (2, 2))]),
)
tunings = st.builds(
    Tuning,
    counts,
    st.sampled_from(["labels", "agreement", "every"]),
    maybe,
    counts,
    shares,
    texts,
    st.sampled_from([None, "queries", "stand-ins"]),
    counts,
    maybe,
    maybe,
)
by_format = st.one_of(
    st.fixed_dictionaries({"kind": st.just("onnx"), "min_onnxruntime": texts, "min_reader": st.integers(1, 3)}),
    st.just({"kind": "tflite", "min_onnxruntime": None, "min_reader": 3}),
)


def build_manifest(of_format: dict[str, Any], model: ModelFacts, **others: Any) -> Manifest:
    facts = {name: value for name, value in of_format.items() if name != "kind"}
    return Manifest(model=replace(model, format=of_format["kind"]), **facts, **others)


manifests = st.builds(
    build_manifest,
    by_format,
    target=texts,
    source=st.builds(SourceFacts, texts, digests, texts),
    model=st.builds(
        ModelFacts,
        texts,
        st.just("onnx"),
        texts,
        st.lists(st.integers(1, 512), max_size=4).map(tuple),
        st.one_of(st.none(), st.integers(1, 64)),
        texts,
        heads,
    ),
    preprocess=st.one_of(st.none(), preprocesses),
    labels=st.lists(texts, max_size=4).map(tuple),
    tools=st.dictionaries(texts, texts, max_size=3),
    files=files,
    lab=files,
    calibration=st.one_of(
        st.none(),
        st.builds(
            CalibrationFacts,
            st.sampled_from(["images", "synthetic"]),
            counts,
            texts,
            st.dictionaries(texts, shares, max_size=2),
            digests,
            digests,
            maybe,
            st.one_of(st.none(), texts),
        ),
    ),
    quantization=st.one_of(
        st.none(),
        st.builds(
            QuantizationFacts,
            texts,
            texts,
            st.booleans(),
            st.booleans(),
            st.sampled_from(["float", "int8"]),
            st.lists(texts, max_size=2).map(tuple),
            shares,
            shares,
            counts,
            counts,
        ),
    ),
    defense=st.one_of(
        st.none(),
        st.builds(
            DefenseRecord,
            texts,
            counts,
            st.dictionaries(texts, st.one_of(shares, st.integers(-5, 5), texts), max_size=3),
            st.sampled_from(["graph", "host"]),
            st.booleans(),
            st.dictionaries(texts, tables, max_size=2),
            st.one_of(st.none(), gates),
            st.one_of(st.none(), st.builds(Grid, st.floats(1e-6, 10), st.integers(-128, 127))),
            st.one_of(st.none(), digests),
            st.one_of(st.none(), tunings),
        ),
    ),
    measured=st.one_of(
        st.none(),
        st.builds(
            Measured,
            st.sampled_from(["validation", "calibration"]),
            counts,
            shares,
            *[maybe] * 8,
            st.one_of(st.none(), counts),
            maybe,
        ),
    ),
    warnings=st.lists(texts, max_size=2).map(tuple),
)


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
    assert oldest_reader("tflite") == SCHEMA_VERSION == 3


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
