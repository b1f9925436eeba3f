"""Accuracy, agreement and calibration error, against figures worked out by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, helper
from PIL import Image

from edgeguard.artifact import lab_directory, open_artifact
from edgeguard.calibration.accuracy import (
    BINS,
    AccuracyReport,
    CalibrationError,
    Share,
    measure_accuracy,
)
from edgeguard.calibration.sets import open_set
from edgeguard.defenses.dcp import Dcp
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Head
from edgeguard.defenses.numpy_ops import NumpyOps
from edgeguard.errors import BadData, GuardFailed, Untrusted
from edgeguard.runtimes import load
from edgeguard.runtimes.ort_session import open_session, run_session
from tests.artifacts import make_artifact, random_images, repack

DEFENSE = Defense(Dcp(beta=1.2))


def measured(artifact: Path, data: Path, limit: int | None = None) -> AccuracyReport:
    opened = open_artifact(artifact)
    manifest = opened.manifest
    images = open_set(data, manifest.preprocess, manifest.model.input_shape, limit=limit, names=manifest.labels)
    return measure_accuracy(opened, load(artifact), images)


# Six answers of two classes. With 15 bins: 0.58 and 0.60 lie in bin 9 (9/15 = 0.6 is its upper end, and belongs to it),
# 0.62 and 0.66 in bin 10, 0.95 and 1.00 in bin 15. Right are 0.58, 0.62, 0.95 and 1.00.
#   bin  9: 2 answers, accuracy 1/2, confidence 0.59:  2/6 * 0.09  = 0.030
#   bin 10: 2 answers, accuracy 1/2, confidence 0.64:  2/6 * 0.14  = 0.046667
#   bin 15: 2 answers, accuracy 1,   confidence 0.975: 2/6 * 0.025 = 0.008333
CONFIDENCES = np.array([0.58, 0.60, 0.62, 0.66, 0.95, 1.00])
RIGHT = np.array([True, False, True, False, True, True])
BY_HAND = 0.085


def two_classes() -> tuple[np.ndarray, np.ndarray]:
    return np.stack([CONFIDENCES, 1 - CONFIDENCES], axis=-1), np.where(RIGHT, 0, 1)


def test_the_calibration_error_of_a_worked_example() -> None:
    error = CalibrationError()
    error.add(*two_classes())
    assert error.value == pytest.approx(BY_HAND, abs=1e-12)


def test_the_calibration_error_does_not_depend_on_blocks() -> None:
    answers, labels = two_classes()
    error = CalibrationError()
    for row in range(6):
        error.add(answers[row : row + 1], labels[row : row + 1])
    assert error.value == pytest.approx(BY_HAND, abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=60))
def test_the_calibration_error_follows_its_definition(rows: list[tuple[int, bool]]) -> None:
    confidence = np.array([0.5 + value / 2000 for value, _ in rows])
    right = np.array([each for _, each in rows])
    error = CalibrationError()
    error.add(np.stack([confidence, 1 - confidence], axis=-1), np.where(right, 0, 1))
    expected = 0.0
    for index in range(BINS):
        inside = (confidence > index / BINS) & (confidence <= (index + 1) / BINS)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert error.value == pytest.approx(expected, abs=1e-9)


def test_perfect_answers_have_no_calibration_error() -> None:
    error = CalibrationError()
    error.add(np.eye(4, dtype=np.float32), np.arange(4))
    assert error.value == 0


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # the mirror image of 0 of 20
        (20, 20, 0.8389, 1.0),
    ],
)
def test_the_interval_is_wilsons(count: int, total: int, low: float, high: float) -> None:
    share = Share(count, total)
    assert share.value == count / total
    assert share.interval == pytest.approx((low, high), abs=5.1e-5)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("accuracy"), defense=DEFENSE)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return random_images(150, seed=33)


@pytest.fixture(scope="module")
def posteriors(artifact: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the float network and of the undefended int8 one."""
    opened = open_artifact(artifact)
    assert opened.manifest.preprocess is not None
    inputs = opened.manifest.preprocess(images)
    exact, plain = (
        run_session(open_session(opened.lab_file(name)), inputs, None) for name in ("float.onnx", "int8.onnx")
    )
    return exact, plain


def labels_of(posterior: np.ndarray) -> np.ndarray:
    """The network's own answers, every third one wrong: an accuracy of two thirds."""
    labels = posterior.argmax(axis=-1)
    labels[::3] = (labels[::3] + 1) % 10
    return labels


def test_everything_is_measured_in_one_pass(
    artifact: Path, images: np.ndarray, posteriors: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    exact, plain = posteriors
    answers = DEFENSE.answer(NumpyOps(), Head("posterior", plain.shape[1]), plain)
    labels = labels_of(exact)
    np.savez(tmp_path / "data.npz", x=images, y=labels)
    report = measured(artifact, tmp_path / "data.npz")
    assert report.images == 150
    tops = {"": answers, "_undefended": plain, "_float": exact}
    for name, values in tops.items():
        right = int((values.argmax(axis=-1) == labels).sum())
        assert getattr(report, f"accuracy{name}") == Share(right, 150)
        error = CalibrationError()
        error.add(values, labels)
        assert getattr(report, f"ece{name}") == pytest.approx(error.value, abs=1e-5)
    assert report.accuracy_float == Share(100, 150)
    assert report.agreement == Share(int((answers.argmax(axis=-1) == exact.argmax(axis=-1)).sum()), 150)
    assert report.flips == Share(int((answers.argmax(axis=-1) != plain.argmax(axis=-1)).sum()), 150)
    distance = np.abs(answers - plain).sum(axis=-1)
    assert report.l1_mean == pytest.approx(distance.mean(), abs=1e-5)
    assert report.l1_max == pytest.approx(distance.max(), abs=1e-5)
    assert report.skipped == ()
    # the figures above differ from each other, so that none can stand in for another
    assert report.l1_mean > 0.5
    assert report.ece != pytest.approx(report.ece_undefended, abs=0.05)


def test_without_labels_only_comparisons_are_left(artifact: Path, images: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=images)
    report = measured(artifact, tmp_path / "data.npz")
    assert report.accuracy is report.accuracy_float is report.ece is report.ece_float is None
    assert report.agreement is not None
    assert report.flips is not None
    assert report.skipped == ("accuracy and ECE: the set has no labels",)


def test_without_a_lab_the_artifact_is_measured_alone(tmp_path: Path, images: np.ndarray) -> None:
    artifact = make_artifact(tmp_path, with_lab=False)
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(150) % 10)
    report = measured(artifact, tmp_path / "data.npz")
    assert report.accuracy is not None
    assert report.ece is not None
    assert report.agreement is report.flips is report.l1_mean is report.accuracy_float is report.ece_undefended is None
    assert len(report.skipped) == 1
    assert "the lab has no float.onnx" in report.skipped[0]


def test_another_exports_lab_is_untrusted(tmp_path: Path, images: np.ndarray) -> None:
    artifact = make_artifact(tmp_path)
    other = make_artifact(tmp_path, name="other", seed=4)
    shutil.copy(lab_directory(other) / "float.onnx", lab_directory(artifact) / "float.onnx")
    np.savez(tmp_path / "data.npz", x=images)
    with pytest.raises(Untrusted):
        measured(artifact, tmp_path / "data.npz")


def test_a_float_export_is_compared_with_its_own_undefended_self(tmp_path: Path, images: np.ndarray) -> None:
    artifact = make_artifact(tmp_path, quantized=False)
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(150) % 10)
    report = measured(artifact, tmp_path / "data.npz")
    assert report.accuracy_undefended == report.accuracy_float
    assert report.accuracy_float is not None
    assert report.l1_max is not None
    assert report.l1_max > 0


def test_without_a_defense_there_is_nothing_that_it_changed(tmp_path: Path, images: np.ndarray) -> None:
    artifact = make_artifact(tmp_path, defense=None)
    np.savez(tmp_path / "data.npz", x=images)
    report = measured(artifact, tmp_path / "data.npz")
    assert report.flips is report.l1_mean is report.l1_max is None
    assert report.agreement is not None


def test_answers_that_are_no_posterior_are_not_measured(tmp_path: Path, images: np.ndarray) -> None:
    def double(model: ModelProto) -> None:
        model.graph.node[-1].output[0] = "half"
        model.graph.node.append(helper.make_node("Add", ["half", "half"], ["probabilities"]))

    np.savez(tmp_path / "data.npz", x=images)
    with pytest.raises(GuardFailed, match="sum to 1 only within 1"):
        measured(repack(make_artifact(tmp_path), model=double), tmp_path / "data.npz")


@pytest.mark.parametrize(("label", "named"), [(10, "10"), (-1, "-1"), (255, "255")])
def test_a_label_that_is_no_class_is_refused(
    artifact: Path, images: np.ndarray, tmp_path: Path, label: int, named: str
) -> None:
    labels = np.arange(150) % 10
    labels[140] = label
    np.savez(tmp_path / "data.npz", x=images, y=labels)
    with pytest.raises(BadData, match=f"has the label {named}; the network's classes are 0 to 9") as raised:
        measured(artifact, tmp_path / "data.npz")
    assert raised.value.where == "data.npz"


def test_a_limit_takes_images_spread_over_the_set(
    artifact: Path, images: np.ndarray, posteriors: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    labels = posteriors[0].argmax(axis=-1)
    labels[75:] = (labels[75:] + 1) % 10
    np.savez(tmp_path / "data.npz", x=images, y=labels)
    report = measured(artifact, tmp_path / "data.npz", limit=50)
    assert report.accuracy_float == Share(25, 50)


def folders(root: Path, names: list[str], images: np.ndarray, labels: np.ndarray) -> Path:
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index}.png")
    return root


# Names whose sorted order is not the order of the classes.
NAMES = [f"class-{9 - index}" for index in range(10)]


def test_folders_named_after_classes_are_those_classes(
    images: np.ndarray, posteriors: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    labels = posteriors[0].argmax(axis=-1)
    assert len(set(labels.tolist())) in range(2, 10)  # some class has no folder: sorted order would shift the others
    data = folders(tmp_path / "data", NAMES, images, labels)
    artifact = make_artifact(tmp_path, labels=tuple(NAMES))
    assert measured(artifact, data).accuracy_float == Share(150, 150)


def test_progress_reaches_the_end(artifact: Path, images: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=images)
    opened = open_artifact(artifact)
    data = open_set(tmp_path / "data.npz", opened.manifest.preprocess, opened.manifest.model.input_shape)
    told: list[tuple[int, int]] = []
    measure_accuracy(opened, load(artifact), data, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (150, 150)
    assert len(told) > 1
