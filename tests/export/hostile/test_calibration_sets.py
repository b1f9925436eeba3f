"""Rows 18 and 21 of the anchors: sets that ranges must not be taken from, and images from cameras and attackers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.artifacts import random_images
from tests.cli.shell import edgeguard
from tests.cli.test_run import BAD, UNUSUAL
from tests.export.hostile.networks import before, write
from tests.export.hostile.refusals import refuse

Array = np.ndarray
SHAPE = (3, 8, 8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "export").mkdir()
    return write(before(), tmp_path / "export")


def inputs(count: int = 8) -> Array:
    """Finished inputs as the preset ``unit`` makes them."""
    return np.random.default_rng(0).random((count, *SHAPE), np.float32)


def with_value(value: float) -> Array:
    values = inputs()
    values[3, 1, 2, 4] = value
    return values


ARRAYS: dict[str, tuple[Callable[[], dict[str, Array]], str]] = {
    "empty": (lambda: {"x": np.zeros((0, *SHAPE), np.float32)}, "is empty: its shape is [0, 3, 8, 8]"),
    "empty-images": (lambda: {"x": np.zeros((4, 0, 8, 3), np.uint8)}, "is empty"),
    "without-x": (lambda: {"images": inputs()}, "has no array x"),
    "constant": (lambda: {"x": np.full((8, *SHAPE), 0.5, np.float32)}, "is constant: one and the same value"),
    "constant-images": (lambda: {"x": np.full((8, 9, 9, 3), 77, np.uint8)}, "is constant: one and the same value"),
    "one-image": (lambda: {"x": random_images(1).repeat(8, axis=0)}, "is constant: one and the same image"),
    "wrong-shape": (lambda: {"x": inputs().transpose(0, 2, 3, 1)}, "the network takes [3, 8, 8]"),
    "wrong-size": (lambda: {"x": inputs()[:, :, :4]}, "holds inputs of shape [3, 4, 8], the network takes [3, 8, 8]"),
    "no-images": (lambda: {"x": np.zeros((8, 9, 9, 5), np.uint8)}, "holds uint8 of shape [8, 9, 9, 5]"),
    "wrong-type": (lambda: {"x": np.zeros((8, *SHAPE), np.int32)}, "holds int32, not uint8 images or float inputs"),
    "wrong-range": (lambda: {"x": inputs() * 255}, "has the wrong range"),
    "narrow": (lambda: {"x": np.random.default_rng(0).integers(0, 2, (8, 9, 9, 3), np.uint8)}, "has the wrong range"),
    "nan": (lambda: {"x": with_value(np.nan)}, "holds NaN"),
    "infinity": (lambda: {"x": with_value(-np.inf)}, "infinity"),
    "beyond-float32": (lambda: {"x": with_value(0).astype(np.float64) + 1e300}, "beyond float32"),
    "objects": (lambda: {"x": np.array([{"a": 1}, None], dtype=object)}, "set.npz"),
    "wrong-labels": (lambda: {"x": inputs(), "y": np.zeros(3, np.int64)}, "y is int64 [3]"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_row_18_arrays(model: Path, tmp_path: Path, kind: str) -> None:
    make, said = ARRAYS[kind]
    np.savez(tmp_path / "set.npz", **make())  # type: ignore[arg-type]
    refuse(model, "set.npz", said, options=("--int8", "--defend", "--calibration", tmp_path / "set.npz"))


FILES: dict[str, tuple[str, bytes]] = {
    "empty-file": ("set.npz", b""),
    "truncated-npy": ("set.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False"),
    "no-zip": ("set.npz", b"PK\x03\x04 and nothing more"),
    "text": ("set.txt", b"photo1.jpg\n"),
    "huge-npy": (
        "set.npy",
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 3, 8, 8), }".ljust(117)
        + b"\n",
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_row_18_files_that_are_no_sets(model: Path, tmp_path: Path, kind: str) -> None:
    name, data = FILES[kind]
    (tmp_path / name).write_bytes(data)
    refuse(model, name, options=("--int8", "--defend", "--calibration", tmp_path / name))


def test_row_18_a_folder_without_images(model: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    options = ("--int8", "--defend", "--calibration", tmp_path / "photos")
    refuse(model, "photos", "holds no images", options=options)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    refuse(model, "photos", "holds no images", options=options)


def save(images: Array, folder: Path, name: str) -> Path:
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{name}{index}.png")
    return folder


def test_row_18_calibration_and_validation_share_an_image(model: Path, tmp_path: Path) -> None:
    """Under another name, in another container and with labels: what counts are the pixels."""
    images = random_images(12)
    calibration = save(images[:6], tmp_path / "photos", "a")
    validation = save(images[4:], tmp_path / "others", "z")
    options = ("--int8", "--defend", "--calibration", calibration, "--validation")
    said = "2 of its images are in the calibration set photos too"
    refuse(model, "others", said, "that calibration has not seen", options=(*options, validation))
    np.savez(tmp_path / "others.npz", x=images[4:], y=np.arange(8))
    refuse(model, "others.npz", said, options=(*options, tmp_path / "others.npz"))


def test_sets_that_share_nothing_are_accepted(model: Path, tmp_path: Path) -> None:
    images = random_images(12)
    calibration = save(images[:6], tmp_path / "photos", "a")
    validation = save(images[6:], tmp_path / "others", "a")
    done = edgeguard("export", model, "--int8", "--defend", "--calibration", calibration, "--validation", validation)
    assert done.returncode == 0, done.stderr


def test_row_21_unusual_images_are_calibrated_with(model: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name, make in UNUSUAL.items():
        make(tmp_path / "photos" / name)
    done = edgeguard("export", model, "--int8", "--defend", "--calibration", tmp_path / "photos", "--json")
    assert done.returncode == 0, done.stderr
    assert f'"images": {len(UNUSUAL)}' in done.stdout


@pytest.mark.parametrize("name", [name for name in BAD if name != "missing.jpg"])
def test_row_21_a_bad_image_among_good_ones_is_named(model: Path, tmp_path: Path, name: str) -> None:
    folder = save(random_images(3), tmp_path / "photos", "good")
    BAD[name](folder / name)
    refuse(model, str(folder / name), options=("--int8", "--defend", "--calibration", folder))
