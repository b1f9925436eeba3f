"""Exports other than the usual one: float, undefended, without images, fixed batches, inputs that are no images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from edgeguard.errors import BadData, BadModel, UsageError
from edgeguard.export.pipeline import export
from edgeguard.export.request import DefenseChoice, ExportRequest, QuantizationChoice
from edgeguard.manifest import Manifest
from edgeguard.runtimes import load
from edgeguard.runtimes.verify import verify
from edgeguard.targets import find_target
from tests.artifacts import random_images, random_network
from tests.export.graphs import Array, build, node, random_inputs, run
from tests.export.requests import Heard, request_for, unit, write_images, write_model
from tests.networks import SHAPE, inputs, trained_tiny


def exported(request: ExportRequest) -> tuple[Manifest, list[str]]:
    heard = Heard()
    return export(request, heard), heard.warnings


@pytest.fixture
def simple(tmp_path: Path) -> ExportRequest:
    """The random network with 40 images."""
    data = write_images(tmp_path / "images.npz", 40)
    return request_for(write_model(tmp_path / "model.onnx"), tmp_path / "model.edgeguard", data=data)


def test_in_float_it_stays_the_network(simple: ExportRequest) -> None:
    manifest, _ = exported(replace(simple, quantization=None, defense=None))
    assert (manifest.quantization, manifest.calibration, manifest.defense) == (None, None, None)
    assert set(manifest.lab) == {"float.onnx"}
    assert manifest.measured is not None
    assert manifest.measured.agreement == 1
    assert (manifest.measured.flips, manifest.measured.l1_mean) == (None, None)
    values = unit((3, 16, 16))(random_images(10))
    logits = run(random_network(), values)
    answers = run(onnx.load(simple.output / "model.onnx"), values)
    assert np.array_equal(answers.argmax(axis=1), logits.argmax(axis=1))
    assert (simple.output / "model.onnx").read_bytes() == (
        simple.output.with_suffix(".lab") / "float.onnx"
    ).read_bytes()


def test_int8_without_a_defense_gives_posteriors(simple: ExportRequest) -> None:
    manifest, _ = exported(replace(simple, defense=None))
    assert manifest.defense is None
    assert manifest.files["model.onnx"].sha256 == manifest.lab["int8.onnx"].sha256
    assert np.abs(load(simple.output).predict(random_images(5)).sum(axis=1) - 1).max() < 1e-5


def test_a_float_network_can_be_defended(simple: ExportRequest) -> None:
    manifest, _ = exported(replace(simple, quantization=None))
    assert manifest.defense is not None
    assert manifest.measured is not None
    assert manifest.measured.l1_mean is not None
    assert manifest.measured.l1_mean > 0
    assert verify(simple.output).passed


def test_a_float_export_without_any_image_measures_nothing_and_says_so(tmp_path: Path) -> None:
    """Random inputs check the form of the answers; a figure from them would be a lie."""
    request = request_for(write_model(tmp_path / "model.onnx"), tmp_path / "model.edgeguard", quantization=None)
    manifest, _ = exported(request)
    assert manifest.measured is None
    assert manifest.calibration is None
    assert verify(request.output).passed


def test_a_node_kept_in_float_is_recorded(simple: ExportRequest) -> None:
    manifest, warnings = exported(replace(simple, quantization=QuantizationChoice(keep_float=("conv2",))))
    facts = manifest.quantization
    assert facts is not None
    assert facts.kept_float == ("conv2",)
    # 18432 of the 34816 multiply-accumulates are conv2's (tests/export/checks/test_integer.py).
    assert facts.integer_mac_share == pytest.approx(1 - 18432 / 34816)
    assert [text for text in warnings if "only 47% of the multiply-accumulates" in text]
    with pytest.raises(UsageError, match="no node 'conv9'"):
        exported(replace(simple, quantization=QuantizationChoice(keep_float=("conv9",)), replace_existing=True))


def test_the_targets_numeric_types_are_recorded(simple: ExportRequest) -> None:
    manifest, _ = exported(replace(simple, target=find_target("x86-64")))
    assert manifest.target == "x86-64"
    assert manifest.quantization is not None
    assert manifest.quantization.reduce_range


def test_another_defense_parameter(simple: ExportRequest) -> None:
    manifest, _ = exported(replace(simple, defense=DefenseChoice("dcp", (("beta", "1.2"),))))
    assert manifest.defense is not None
    assert manifest.defense.parameters["beta"] == 1.2
    with pytest.raises(UsageError, match="beta must lie in"):
        exported(replace(simple, defense=DefenseChoice("dcp", (("beta", "9"),)), replace_existing=True))


def test_validation_that_shares_an_image_with_calibration(simple: ExportRequest, tmp_path: Path) -> None:
    pictures = random_images(30, seed=4)
    pictures[17] = random_images(40)[3]
    np.savez(tmp_path / "validation.npz", x=pictures)
    with pytest.raises(BadData, match=r"1 of its images are in the calibration set images\.npz too"):
        exported(replace(simple, validation=tmp_path / "validation.npz"))
    assert not simple.output.exists()


def test_labels_that_are_no_classes(simple: ExportRequest, tmp_path: Path) -> None:
    bad = write_images(tmp_path / "validation.npz", 20, seed=3, labels=np.full(20, 10))
    with pytest.raises(BadData, match="has the label 10; the network's classes are 0 to 9"):
        exported(replace(simple, validation=bad))


def test_a_network_that_cannot_tell_anything_apart_has_no_goldens(tmp_path: Path) -> None:
    weights: dict[str, Array] = {"w": np.zeros((10, 3, 8, 8), np.float32), "b": np.zeros(10, np.float32)}
    model = build([node("Conv", ["x", "w", "b"], "c"), node("Flatten", ["c"], "logits")], weights)
    request = request_for(
        write_model(tmp_path / "model.onnx", model), tmp_path / "model.edgeguard",
        data=write_images(tmp_path / "images.npz", 20), quantization=None,
    )  # fmt: skip
    manifest, warnings = exported(request)
    assert [text for text in warnings if "no input is far enough from every decision to be golden" in text]
    assert manifest.warnings == tuple(warnings)
    with np.load(request.output / "golden.npz") as golden:
        assert len(golden["inputs"]) == 0


@pytest.mark.parametrize("batch", [1, 3])
def test_a_graph_fixed_to_a_batch(tmp_path: Path, batch: int) -> None:
    """40 images are no multiple of 3; the free network's table and answers are the same."""
    data = write_images(tmp_path / "images.npz", 40)
    manifests = []
    for name, size in (("free", "batch"), ("fixed", batch)):
        model = write_model(tmp_path / f"{name}.onnx", random_network(batch=size))
        manifests.append(exported(request_for(model, tmp_path / f"{name}.edgeguard", data=data))[0])
    free, fixed = manifests
    assert (free.model.batch, fixed.model.batch) == (None, batch)
    assert fixed.measured is not None
    assert free.measured is not None
    for field in ("images", "agreement", "flips", "l1_mean", "l1_max"):
        assert getattr(fixed.measured, field) == pytest.approx(getattr(free.measured, field), abs=1e-5)
    pictures = random_images(7, seed=2)
    answers = [load(tmp_path / f"{name}.edgeguard").predict(pictures) for name in ("free", "fixed")]
    assert np.abs(answers[0] - answers[1]).max() < 1e-5


def test_inputs_that_are_no_images(tmp_path: Path) -> None:
    weights: dict[str, Array] = {"w": np.random.default_rng(0).normal(0, 0.5, (49, 5)).astype(np.float32)}
    model = build([node("MatMul", ["x", "w"], "logits")], weights, shape=(49,), output_shape=("batch", 5))
    np.save(tmp_path / "inputs.npy", random_inputs(64, (49,)))
    request = request_for(
        write_model(tmp_path / "model.onnx", model), tmp_path / "model.edgeguard",
        data=tmp_path / "inputs.npy", preprocess=lambda _: None,
    )  # fmt: skip
    manifest, _ = exported(request)
    assert manifest.preprocess is None
    assert manifest.model.input_shape == (49,)
    assert load(request.output).answer(random_inputs(3, (49,))).shape == (3, 5)
    write_images(tmp_path / "images.npz", 8)
    with pytest.raises(BadData, match="holds images, and the network's input is no image"):
        exported(replace(request, calibration=replace(request.calibration, data=tmp_path / "images.npz"),
                         replace_existing=True))  # fmt: skip


FROM_TORCH: dict[str, dict[str, Any]] = {
    "state.pt": {"arch": "tests.networks:tiny", "input_shape": SHAPE},
    "script.pt": {"input_shape": SHAPE},
    "dynamic.pt2": {},
    "fixed.pt2": {},
}


@pytest.mark.parametrize("name", sorted(FROM_TORCH))
def test_torch_files_without_images_are_branded_synthetic(files: Path, tmp_path: Path, name: str) -> None:
    request = request_for(files / name, tmp_path / "model.edgeguard", synthetic_seconds=3.0, **FROM_TORCH[name])
    manifest, warnings = exported(request)
    calibration = manifest.calibration
    assert calibration is not None
    assert (calibration.source, calibration.images) == ("synthetic", 64)
    assert any("SYNTHETIC" in text for text in manifest.warnings)
    assert manifest.warnings == tuple(warnings)
    assert "torch" in manifest.tools
    assert manifest.model.batch == (1 if name == "fixed.pt2" else None)
    values = (0.3 + 0.5 * inputs(200, seed=77)).clamp(0, 1)
    with torch.no_grad():
        expected = trained_tiny()(values).argmax(dim=1).numpy()
    undefended = run(onnx.load(tmp_path / "model.lab" / "int8.onnx"), values.numpy(), manifest.model.batch)
    assert (undefended.argmax(axis=1) == expected).mean() > 0.9


def test_a_torch_network_without_batch_norm_says_what_to_pass(files: Path, tmp_path: Path) -> None:
    request = request_for(files / "plain_script.pt", tmp_path / "model.edgeguard", input_shape=SHAPE)
    with pytest.raises(BadModel, match=r"no BatchNorm layer to make some from\. Pass some real ones: --calibration"):
        exported(request)
    assert not request.output.exists()
    data = write_images(tmp_path / "images.npz", 16)
    assert exported(replace(request, calibration=replace(request.calibration, data=data)))[0].calibration is not None
