"""The whole export in this process: what the manifest says is what a second computation finds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import checker

import edgeguard
from edgeguard.artifact import GOLDEN, open_artifact
from edgeguard.calibration.accuracy import CalibrationError
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.postprocess import PostProcessor
from edgeguard.errors import BadData, OutputExists
from edgeguard.export.pipeline import export
from edgeguard.export.request import DefenseChoice, QuantizationChoice
from edgeguard.manifest import Manifest, Measured, read_manifest
from edgeguard.runtimes import load
from edgeguard.runtimes.verify import verify
from tests.artifacts import random_images, random_network
from tests.export.graphs import Array, run
from tests.export.requests import Heard, request_for, unit, write_images, write_model

CLASSES = 10


@dataclass(frozen=True)
class Exported:
    """What one export left, and what it was made from."""

    path: Path
    manifest: Manifest
    images: Array
    labels: Array
    heard: Heard

    @property
    def lab(self) -> Path:
        return self.path.with_suffix(".lab")

    @property
    def inputs(self) -> Array:
        return unit((3, 16, 16))(self.images)


def make(folder: Path, **changes: Any) -> Exported:
    """An export of the random network, measured on 150 labelled images that it did not see."""
    float_answers = run(random_network(), unit((3, 16, 16))(random_images(150, seed=5)))
    labels = float_answers.argmax(axis=1)
    labels[::4] = (labels[::4] + 1) % CLASSES
    model = write_model(folder / "model.onnx")
    heard = Heard()
    request = request_for(
        model,
        folder / "model.edgeguard",
        data=write_images(folder / "calibration_set.npz", 64, seed=1),
        validation=write_images(folder / "validation.npz", 150, seed=5, labels=labels),
        **changes,
    )
    manifest = export(request, heard)
    return Exported(request.output, manifest, random_images(150, seed=5), labels, heard)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return make(tmp_path_factory.mktemp("exported"), labels=tuple("abcdefghij"))


def test_what_is_returned_is_what_is_written(exported: Exported) -> None:
    assert read_manifest(exported.path / "manifest.json") == exported.manifest
    assert sorted(each.name for each in exported.path.iterdir()) == ["golden.npz", "manifest.json", "model.onnx"]
    assert sorted(each.name for each in exported.lab.iterdir()) == ["calibration.json", "float.onnx", "int8.onnx"]


def test_digests_and_sizes_are_those_of_the_files(exported: Exported) -> None:
    for folder, facts in ((exported.path, exported.manifest.files), (exported.lab, exported.manifest.lab)):
        for name, fact in facts.items():
            data = (folder / name).read_bytes()
            assert (fact.sha256, fact.size) == (hashlib.sha256(data).hexdigest(), len(data)), name
    source = exported.path.with_name("model.onnx").read_bytes()
    assert exported.manifest.source.sha256 == hashlib.sha256(source).hexdigest()
    assert (exported.manifest.source.name, exported.manifest.source.kind) == ("model.onnx", "onnx")


def test_the_model_is_valid_onnx_within_the_targets_versions(exported: Exported) -> None:
    for path in (exported.path / "model.onnx", exported.lab / "float.onnx", exported.lab / "int8.onnx"):
        model = onnx.load(path)
        checker.check_model(model, full_check=True)
        assert (model.ir_version, [entry.version for entry in model.opset_import]) == (9, [20])
        assert [value.name for value in model.graph.output] == ["probabilities"]
    assert exported.manifest.min_onnxruntime == "1.17"
    assert exported.manifest.target == "arm64"


def test_the_files_interface_is_the_manifests(exported: Exported) -> None:
    graph = onnx.load(exported.path / "model.onnx").graph
    facts = exported.manifest.model
    assert (facts.input_name, facts.output_name) == (graph.input[0].name, graph.output[0].name)
    assert (facts.input_shape, facts.batch, facts.head) == ((3, 16, 16), None, Head("posterior", CLASSES))
    assert exported.manifest.preprocess == unit((3, 16, 16))
    assert exported.manifest.labels == tuple("abcdefghij")


def answers(exported: Exported) -> tuple[Array, Array, Array]:
    """Float network, int8 without defense, artifact; each from its own file, all at once."""
    files = (exported.lab / "float.onnx", exported.lab / "int8.onnx", exported.path / "model.onnx")
    exact, plain, deployed = (run(onnx.load(path), exported.inputs) for path in files)
    return exact, plain, deployed


def expected_measurements(exported: Exported) -> Measured:
    exact, plain, deployed = answers(exported)
    tops = [values.argmax(axis=1) for values in (exact, plain, deployed)]
    distance = np.abs(deployed.astype(np.float64) - plain).sum(axis=1)
    right = [float((top == exported.labels).mean()) for top in tops]
    return Measured(
        on="validation",
        images=150,
        agreement=float((tops[0] == tops[2]).mean()),
        accuracy_float=right[0],
        accuracy_undefended=right[1],
        accuracy=right[2],
        flips=float((tops[1] != tops[2]).mean()),
        l1_mean=float(distance.mean()),
        l1_max=float(distance.max()),
        ece=calibration_error(deployed, exported.labels),
        ece_undefended=calibration_error(plain, exported.labels),
    )


def calibration_error(values: Array, labels: Array) -> float:
    error = CalibrationError()
    error.add(values, labels)
    return error.value


@pytest.mark.parametrize("beta", ["0.9", "1.5"])
def test_the_measured_figures_are_true(tmp_path: Path, exported: Exported, beta: str) -> None:
    if beta != "0.9":
        exported = make(tmp_path, defense=DefenseChoice("dcp", (("beta", beta),)))
    found, wanted = exported.manifest.measured, expected_measurements(exported)
    assert found is not None
    assert wanted.accuracy_float == pytest.approx(112 / 150)
    assert wanted.l1_max is not None
    assert wanted.l1_max > 0.1
    for field in Measured.__dataclass_fields__:
        assert getattr(found, field) == pytest.approx(getattr(wanted, field), abs=1e-6), field


def test_the_undefended_file_of_the_lab_and_the_defense_make_the_artifact(exported: Exported) -> None:
    record = exported.manifest.defense
    assert record is not None
    assert (record.name, record.version, record.placement, record.file_undefended) == ("dcp", 1, "graph", False)
    assert record.parameters == {"beta": 0.9, "gamma": 0.2, "nu": 1000.0}
    _, plain, deployed = answers(exported)
    away = np.abs(plain.max(axis=1) - 0.9) > 0.02
    again = PostProcessor(Head("posterior", CLASSES), Defense(Dcp()))(plain)
    assert np.abs(again - deployed)[away].max() < 1e-6


def test_the_float_file_of_the_lab_is_the_source(exported: Exported) -> None:
    logits = run(random_network(), exported.inputs)
    posterior = PostProcessor(Head("logits", CLASSES), None)(logits)
    assert np.abs(answers(exported)[0] - posterior).max() < 1e-5


def test_quantization_and_calibration_facts_are_true(exported: Exported) -> None:
    facts, calibration = exported.manifest.quantization, exported.manifest.calibration
    assert facts is not None
    assert calibration is not None
    assert (facts.activation_type, facts.weight_type, facts.per_channel, facts.reduce_range) == (
        "uint8", "int8", True, False,
    )  # fmt: skip
    assert (facts.head, facts.kept_float, facts.integer_mac_share) == ("float", (), 1.0)
    assert 0 <= facts.optimizer_max_steps < 8
    assert facts.int8_bytes < 0.6 * facts.float_bytes
    assert facts.float_bytes == pytest.approx((exported.lab / "float.onnx").stat().st_size, abs=400)
    assert (calibration.source, calibration.images, calibration.observer) == ("images", 64, "min-max")
    table = json.loads((exported.lab / "calibration.json").read_text())
    assert table["key"]["data"] == calibration.digest
    assert calibration.halves_difference == pytest.approx(table["halves"]["difference"])
    assert calibration.halves_tensor in table["ranges"]


def test_goldens_hold_and_belong_to_the_calibration_set(exported: Exported) -> None:
    with np.load(exported.path / GOLDEN) as golden:
        inputs, expected, tolerance = golden["inputs"], golden["answers"], golden["tolerance"]
    assert len(inputs) > 10
    assert np.abs(run(onnx.load(exported.path / "model.onnx"), inputs) - expected).max(axis=1).max() < 1e-6
    assert (tolerance > 0).all()
    known = {each.tobytes() for each in unit((3, 16, 16))(random_images(64, seed=1))}
    assert {each.tobytes() for each in inputs} <= known
    assert verify(exported.path).passed


def test_the_tools_are_named(exported: Exported) -> None:
    tools = exported.manifest.tools
    assert tools["edgeguard"] == edgeguard.__version__
    assert {"numpy", "onnx", "onnxruntime", "python"} <= set(tools)
    assert "torch" not in tools


def test_two_exports_are_the_same_bytes(exported: Exported, tmp_path: Path) -> None:
    again = make(tmp_path, labels=tuple("abcdefghij"))
    assert again.manifest.files == exported.manifest.files
    assert again.manifest.lab == exported.manifest.lab
    for name in ("model.onnx", "manifest.json", "golden.npz"):
        assert (again.path / name).read_bytes() == (exported.path / name).read_bytes(), name


def test_the_runtime_answers_as_the_file_does(exported: Exported) -> None:
    assert np.array_equal(load(exported.path).answer(exported.inputs), answers(exported)[2])
    open_artifact(exported.path)


def test_a_wrong_number_of_labels(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="--labels: 3 labels for 10 classes"):
        make(tmp_path, labels=("a", "b", "c"))
    assert not list(tmp_path.glob("*.edgeguard"))


def test_an_artifact_is_replaced_only_when_asked(tmp_path: Path) -> None:
    first = make(tmp_path)
    before = (first.path / "manifest.json").read_bytes()
    with pytest.raises(OutputExists, match="--force"):
        make(tmp_path, quantization=None)
    assert (first.path / "manifest.json").read_bytes() == before
    second = make(tmp_path, quantization=None, replace_existing=True)
    assert second.manifest.quantization is None
    assert sorted(each.name for each in second.lab.iterdir()) == ["float.onnx"]


def test_steps_are_told_in_order_and_the_table_is_reused(tmp_path: Path) -> None:
    first = make(tmp_path)
    kinds = ["loading", "found", "calibrating", "quantizing", "measuring", "writing"]
    assert [step.split()[0] for step in first.heard.steps] == kinds
    assert first.heard.ticks[-1] == (64, 64)
    second = make(tmp_path, replace_existing=True, quantization=QuantizationChoice("int8"))
    assert "the calibration table of an earlier export fits: reusing it" in second.heard.steps
    assert second.manifest.lab["calibration.json"] == first.manifest.lab["calibration.json"]
