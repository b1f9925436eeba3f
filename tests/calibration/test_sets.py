"""Sets of inputs that can be used: what they hold, in which order, and that they are never held whole."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.calibration.sets import DataSet, array_set, check_disjoint, open_set
from edgeguard.errors import BadData
from edgeguard.preprocess import Preprocess
from tests.calibration.files import SHAPE, SIZE, UNIT, images, write_folder, write_npz

Array = np.ndarray[Any, Any]


def inputs_of(data: DataSet, size: int = 5) -> Array:
    return np.concatenate([batch.inputs for batch in data.batches(size)])


def labels_of(data: DataSet, size: int = 5) -> list[int]:
    found: list[int] = []
    for batch in data.batches(size):
        assert batch.labels is not None
        found += batch.labels.tolist()
    return found


def test_a_flat_folder(tmp_path: Path) -> None:
    pictures = images(7)
    data = open_set(write_folder(tmp_path / "photos", pictures), UNIT, SHAPE)
    assert len(data) == 7
    assert not data.labelled
    assert not data.synthetic
    assert data.name == "photos"
    assert (inputs_of(data) == UNIT(pictures)).all()


def test_class_folders_give_labels_in_sorted_order(tmp_path: Path) -> None:
    pictures = images(6)
    write_folder(tmp_path / "b", pictures[:2])
    write_folder(tmp_path / "a", pictures[2:5])
    write_folder(tmp_path / "c", pictures[5:])
    (tmp_path / ".cache").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("no image")
    data = open_set(tmp_path, UNIT, SHAPE)
    assert data.labelled
    assert labels_of(data) == [0, 0, 0, 1, 1, 2]
    assert (inputs_of(data) == UNIT(pictures[[2, 3, 4, 0, 1, 5]])).all()


def test_an_empty_folder_beside_images_is_no_class(tmp_path: Path) -> None:
    write_folder(tmp_path, images(3))
    (tmp_path / "thumbnails").mkdir()
    data = open_set(tmp_path, UNIT, SHAPE)
    assert len(data) == 3
    assert not data.labelled


def test_a_limit_is_spread_evenly_over_the_classes(tmp_path: Path) -> None:
    for name in "abcde":
        write_folder(tmp_path / name, images(4, seed=ord(name)))
    data = open_set(tmp_path, UNIT, SHAPE, limit=10)
    assert labels_of(data) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_of_colour_images_with_labels(tmp_path: Path, compressed: bool) -> None:
    pictures, labels = images(70), np.arange(70, dtype=np.uint8) % 7
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "set.npz", x=pictures, y=labels)
    data = open_set(tmp_path / "set.npz", UNIT, SHAPE)
    assert (inputs_of(data) == UNIT(pictures)).all()
    assert labels_of(data) == labels.tolist()


def test_npz_of_grey_images(tmp_path: Path) -> None:
    pictures = images(5)[..., 0]
    grey = Preprocess((SIZE, SIZE), colour="grey")
    data = open_set(write_npz(tmp_path / "set.npz", x=pictures), grey, grey.input_shape)
    assert inputs_of(data).shape == (5, 1, SIZE, SIZE)
    assert (inputs_of(data)[:, 0] * 255).round().astype(np.uint8).tolist() == pictures.tolist()


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8"])
def test_floats_are_finished_inputs(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(0).random((5, *SHAPE)).astype(dtype)
    np.save(tmp_path / "set.npy", values)
    inputs = inputs_of(open_set(tmp_path / "set.npy", UNIT, SHAPE))
    assert inputs.dtype == np.float32
    assert (inputs == values.astype(np.float32)).all()


def test_inputs_that_are_no_images(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((5, 49, 10)).astype(np.float32) * 1000
    data = open_set(write_npz(tmp_path / "set.npz", x=values), None, (49, 10))
    assert (inputs_of(data) == values).all()


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 75), limit=st.integers(1, 80), size=st.integers(1, 90))
def test_blocks_of_any_size_hold_the_same(
    tmp_path_factory: pytest.TempPathFactory, count: int, limit: int, size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"blocks-{count}.npz"
    pictures = images(count, seed=count)
    if not path.exists():
        write_npz(path, x=pictures, y=np.arange(count))
    data = open_set(path, UNIT, SHAPE, limit=limit)
    blocks = list(data.batches(size))
    chosen = labels_of(data, size)
    assert len(chosen) == len(data) == min(count, limit)
    assert [len(block.inputs) for block in blocks[:-1]] == [size] * (len(blocks) - 1)
    assert sorted(set(chosen)) == chosen
    assert (inputs_of(data, size) == UNIT(pictures[chosen])).all()
    assert sum((block.digests for block in blocks), ()) == data.digests


def peak_of_reading(path: Path, count: int) -> int:
    """Peak bytes that Python and numpy allocate while a set is opened and read."""
    large = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), np.uint8)
    write_npz(path, x=large)
    del large
    preprocess = replace(UNIT, size=(64, 64))
    tracemalloc.start()
    data = open_set(path, preprocess, preprocess.input_shape)
    assert sum(len(batch.inputs) for batch in data.batches(8)) == count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_set(tmp_path: Path) -> None:
    few, many = (peak_of_reading(tmp_path / f"{count}.npz", count) for count in (400, 2_000))
    assert many < 1.1 * few


def test_digests_know_an_image_wherever_it_is_stored(tmp_path: Path) -> None:
    pictures = images(6)
    folder = open_set(write_folder(tmp_path / "folder", pictures), UNIT, SHAPE)
    stored = open_set(write_npz(tmp_path / "set.npz", x=pictures), UNIT, SHAPE)
    assert folder.digests == stored.digests
    assert folder.digest == stored.digest
    assert len(set(folder.digests)) == 6


def test_digests_know_a_grey_image_by_one_channel_or_three(tmp_path: Path) -> None:
    grey = images(4)[..., 0]
    sets = [
        open_set(write_npz(tmp_path / f"{index}.npz", x=pictures), UNIT, SHAPE)
        for index, pictures in enumerate((grey, grey[..., None], np.repeat(grey[..., None], 3, axis=3)))
    ]
    assert sets[0].digest == sets[1].digest == sets[2].digest


def test_the_digest_depends_on_order_and_content(tmp_path: Path) -> None:
    pictures = images(3)
    digests = {
        open_set(write_npz(tmp_path / f"{index}.npz", x=variant), UNIT, SHAPE).digest
        for index, variant in enumerate((pictures, pictures[::-1].copy(), pictures[:2], images(3, seed=1)))
    }
    assert len(digests) == 4


def test_shared_images_are_found_across_formats(tmp_path: Path) -> None:
    pictures = images(9)
    calibration = open_set(write_folder(tmp_path / "calibration", pictures[:6]), UNIT, SHAPE)
    validation = open_set(write_npz(tmp_path / "validation.npz", x=pictures[4:]), UNIT, SHAPE)
    with pytest.raises(BadData, match=r"validation\.npz: 2 of its images .* calibration"):
        check_disjoint(calibration, validation)
    check_disjoint(calibration, open_set(write_npz(tmp_path / "other.npz", x=pictures[6:]), UNIT, SHAPE))


def test_a_set_in_memory() -> None:
    inputs = np.random.default_rng(0).random((5, *SHAPE), np.float32)
    data = array_set(inputs, synthetic=True)
    assert data.synthetic
    assert not data.labelled
    assert (inputs_of(data, 2) == inputs).all()
    assert len(set(data.digests)) == 5
