"""What is timed of which artifact, and what is said about the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeguard.artifact import open_artifact
from edgeguard.bench.variants import Variants, choose_variants
from edgeguard.defenses.head import Head
from edgeguard.errors import Untrusted
from tests.artifacts import SIZE, make_artifact


def chosen(path: Path, scratch: Path) -> Variants:
    scratch.mkdir(exist_ok=True)
    return choose_variants(open_artifact(path), scratch)


def names(variants: Variants) -> list[str]:
    assert [variant.name for variant in variants.timed] == [subject.name for subject in variants.subjects]
    return [variant.name for variant in variants.timed]


def test_a_full_artifact(tmp_path: Path) -> None:
    path = make_artifact(tmp_path)
    variants = chosen(path, tmp_path / "scratch")
    assert names(variants) == ["float", "int8", "defended", "control", "end-to-end"]
    assert variants.skipped == ()
    files = {subject.name: subject.path for subject in variants.subjects}
    assert files["float"] == str(tmp_path / "model.lab" / "float.onnx")
    assert files["defended"] == files["control"] == str(path / "model.onnx")
    assert files["end-to-end"] == str(path)
    manifest = open_artifact(path).manifest
    digests = {variant.name: variant.sha256 for variant in variants.timed}
    assert digests["int8"] == manifest.lab["int8.onnx"].sha256
    assert digests["control"] == manifest.files["model.onnx"].sha256


def test_graph_placement_is_timed_by_a_bare_session_like_its_rivals(tmp_path: Path) -> None:
    variants = chosen(make_artifact(tmp_path), tmp_path / "scratch")
    model = [subject for subject in variants.subjects if subject.name != "end-to-end"]
    assert {subject.how for subject in model} == {"session"}
    assert len({subject.inputs for subject in model}) == 1


@pytest.mark.parametrize("head", ["float", "int8"])
def test_host_placement_is_timed_with_its_post_processor(tmp_path: Path, head: str) -> None:
    path = make_artifact(tmp_path, placement="host", head="int8" if head == "int8" else "float")
    hows = {subject.name: (subject.how, subject.artifact) for subject in chosen(path, tmp_path / "scratch").subjects}
    assert hows["int8"] == ("session", None)
    assert hows["defended"] == hows["control"] == ("host", str(path))
    assert hows["end-to-end"] == ("runtime", None)


def test_a_posterior_with_a_host_defense_needs_its_post_processor_too(tmp_path: Path) -> None:
    artifact = open_artifact(make_artifact(tmp_path, placement="host"))
    manifest = artifact.manifest
    softmaxed = replace(manifest, model=replace(manifest.model, head=Head("posterior", manifest.classes)))
    variants = choose_variants(replace(artifact, manifest=softmaxed), tmp_path)
    hows = {subject.name: subject.how for subject in variants.subjects}
    assert hows["defended"] == "host"


def test_without_a_lab_the_artifact_is_still_timed(tmp_path: Path) -> None:
    variants = chosen(make_artifact(tmp_path, with_lab=False), tmp_path / "scratch")
    assert names(variants) == ["defended", "control", "end-to-end"]
    assert [entry.name for entry in variants.skipped] == ["float", "int8"]
    assert all("the lab has no" in entry.reason for entry in variants.skipped)


def test_without_quantization_there_is_no_int8(tmp_path: Path) -> None:
    variants = chosen(make_artifact(tmp_path, quantized=False), tmp_path / "scratch")
    assert names(variants) == ["float", "defended", "control", "end-to-end"]
    assert [(entry.name, entry.reason) for entry in variants.skipped] == [("int8", "the artifact was not quantized")]


def test_without_a_defense_it_is_not_called_defended(tmp_path: Path) -> None:
    variants = chosen(make_artifact(tmp_path, defense=None), tmp_path / "scratch")
    assert names(variants) == ["float", "int8", "deployed", "control", "end-to-end"]


def test_what_takes_no_images_has_no_end_to_end(tmp_path: Path) -> None:
    variants = chosen(make_artifact(tmp_path, images=False), tmp_path / "scratch")
    assert "end-to-end" not in names(variants)
    assert [entry.name for entry in variants.skipped] == ["end-to-end"]


@pytest.mark.parametrize("batch", [None, 3])
def test_inputs_are_the_goldens_in_batches_that_the_graph_takes(tmp_path: Path, batch: int | None) -> None:
    path = make_artifact(tmp_path, batch=batch)
    variants = chosen(path, tmp_path / "scratch")
    inputs = np.load(variants.subjects[0].inputs)
    assert inputs.shape[1:] == (batch or 1, 3, SIZE, SIZE)
    assert inputs.dtype == np.float32
    with np.load(path / "golden.npz") as golden:
        assert np.array_equal(inputs[0, 0], golden["inputs"][0])
    images = np.load(variants.subjects[-1].inputs)
    assert (images.shape[1:], images.dtype) == ((SIZE, SIZE, 3), np.uint8)


def test_the_lab_of_another_export_is_not_timed(tmp_path: Path) -> None:
    path = make_artifact(tmp_path)
    with (tmp_path / "model.lab" / "float.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(Untrusted, match=r"float\.onnx"):
        chosen(path, tmp_path / "scratch")
