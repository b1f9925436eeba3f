"""Sets that cannot be used: row 18 of the hostile inputs, and array files that lie or broke."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.calibration.sets import open_set
from edgeguard.errors import BadData
from edgeguard.preprocess import PRESETS, preset
from tests.calibration.files import SHAPE, SIZE, UNIT, images, npy_bytes, write_folder, write_member, write_npz

Array = np.ndarray[Any, Any]


def refused(path: Path, said: str, shape: tuple[int, ...] = SHAPE) -> None:
    with pytest.raises(BadData, match=said) as caught:
        open_set(path, UNIT, shape)
    assert path.name in str(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "no such file")
    refused(tmp_path / "absent.npz", "no such file")


def test_an_empty_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    refused(folder, "holds no images")
    (folder / "class").mkdir()
    (folder / "class" / "readme.txt").write_text("")
    refused(folder, "holds no images")


def test_some_other_file(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("1,2")
    refused(tmp_path / "set.csv", "neither a folder")


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((0, SIZE, SIZE, 3), np.uint8), "is empty"),
        (np.zeros((4, 0, SIZE, 3), np.uint8), "is empty"),
        (np.uint8(3), "is empty"),
        (np.zeros((4, *SHAPE), np.uint8), "uint8 of shape"),
        (np.zeros((4, 192), np.uint8), "uint8 of shape"),
        (np.zeros((4, SIZE, SIZE, 4), np.uint8), "uint8 of shape"),
        (np.zeros((4, SIZE, SIZE, 3), np.float32), r"shape \[8, 8, 3\], the network takes \[3, 8, 8\]"),
        (np.zeros(SHAPE, np.float32), "the network takes"),
        (np.zeros((4, *SHAPE), np.int64), "holds int64"),
        (np.zeros((4, *SHAPE), np.complex64), "holds complex64"),
        (np.zeros((4, *SHAPE), bool), "holds bool"),
    ],
)
def test_wrong_shapes_and_types(tmp_path: Path, array: Array, said: str) -> None:
    refused(write_npz(tmp_path / "set.npz", x=array), said)
    np.save(tmp_path / "set.npy", array)
    refused(tmp_path / "set.npy", said)


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("count", [1, 5])
def test_constant(tmp_path: Path, name: str, count: int) -> None:
    path = write_npz(tmp_path / "set.npz", x=np.full((count, SIZE, SIZE, 3), 128, np.uint8))
    with pytest.raises(BadData, match=r"set\.npz: is constant"):
        open_set(path, preset(name, (3, SIZE, SIZE)), SHAPE)


def test_one_image_many_times(tmp_path: Path) -> None:
    refused(write_npz(tmp_path / "set.npz", x=np.repeat(images(1), 40, axis=0)), "one and the same image")
    refused(write_folder(tmp_path / "folder", np.repeat(images(1), 3, axis=0)), "one and the same image")


def test_a_few_duplicates_are_no_constant_set(tmp_path: Path) -> None:
    pictures = images(10)
    pictures[1] = pictures[0]
    assert len(open_set(write_npz(tmp_path / "set.npz", x=pictures), UNIT, SHAPE)) == 10


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (images(4).transpose(0, 3, 1, 2).astype(np.float32), "wrong range: inputs reach"),
        (images(4).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1, "wrong range: inputs reach"),
        ((images(4) > 127).astype(np.uint8), "wrong range: inputs span"),
        (images(4).transpose(0, 3, 1, 2).astype(np.float32) / 255 / 255, "wrong range: inputs span"),
        (np.full((2, *SHAPE), [[[[0.25]]], [[[np.nan]]]], np.float32), "NaN"),
        (np.full((2, *SHAPE), [[[[0.25]]], [[[1e300]]]], np.float64), "beyond float32"),
    ],
)
def test_wrong_range(tmp_path: Path, values: Array, said: str) -> None:
    refused(write_npz(tmp_path / "set.npz", x=values), said)


def test_raw_floats_of_0_to_1_for_a_network_that_takes_0_to_255(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "set.npz", x=np.random.default_rng(0).random((4, *SHAPE)))
    with pytest.raises(BadData, match="wrong range: inputs span"):
        open_set(path, preset("raw255", (3, SIZE, SIZE)), SHAPE)


def test_images_for_a_network_that_takes_none(tmp_path: Path) -> None:
    for path in (write_npz(tmp_path / "set.npz", x=images(4)), write_folder(tmp_path / "folder", images(2))):
        with pytest.raises(BadData, match="input is no image"):
            open_set(path, None, (49, 10))


@pytest.mark.parametrize(
    "labels", [np.arange(3), np.arange(8).reshape(4, 2), np.arange(4.0), np.array(["a", "b", "c", "d"])]
)
def test_labels_that_do_not_fit(tmp_path: Path, labels: Array) -> None:
    refused(write_npz(tmp_path / "set.npz", x=images(4), y=labels), "not one integer for each of 4 images")


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path / "folder", images(3))
    (tmp_path / "folder" / "0001.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(BadData, match=r"0001\.png: cannot be read as an image"):
        open_set(tmp_path / "folder", UNIT, SHAPE)


def test_npz_without_x(tmp_path: Path) -> None:
    refused(write_npz(tmp_path / "set.npz", images=images(3)), "has no array x")


def test_column_order(tmp_path: Path) -> None:
    refused(write_npz(tmp_path / "set.npz", x=np.asfortranarray(images(3))), "column by column")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (marker,)

    np.save(tmp_path / "set.npy", np.array([Payload()], object), allow_pickle=True)
    refused(tmp_path / "set.npy", "Python objects")
    write_npz(tmp_path / "set.npz", x=images(4), y=np.array([Payload()] * 4, object))
    refused(tmp_path / "set.npz", "Python objects")
    assert not marker.exists()
    np.load(tmp_path / "set.npy", allow_pickle=True)
    assert marker.exists()


@pytest.mark.parametrize("kept", [0, 5, 60, 127, 128, 200, 700])
def test_a_truncated_array(tmp_path: Path, kept: int) -> None:
    data = npy_bytes(images(4))
    assert len(data) > 700
    (tmp_path / "set.npy").write_bytes(data[:kept])
    refused(tmp_path / "set.npy", "ends early|no numpy array")
    refused(write_member(tmp_path / "member.npz", data[:kept]), "ends early|no numpy array")


@pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_truncated_npz(tmp_path: Path, part: float, compressed: bool) -> None:
    path = tmp_path / "set.npz"
    (np.savez_compressed if compressed else np.savez)(path, x=images(40))
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    refused(path, "no array file")


@pytest.mark.parametrize("shape", [(-4, SIZE, SIZE, 3), (4, -SIZE, SIZE, 3), (-1,), (10**12, SIZE, SIZE, 3)])
@pytest.mark.parametrize("dtype", ["|u1", "<f4"])
def test_a_header_that_lies_about_the_size(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    (tmp_path / "set.npy").write_bytes(npy_bytes(images(4), shape=shape, descr=dtype))
    refused(tmp_path / "set.npy", "is empty|ends early", shape[1:])


def test_a_single_image_that_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "set.npy"
    header = npy_bytes(np.zeros(0, np.uint8), shape=(1, 9_000, 9_000, 3))
    with path.open("wb") as stream:
        stream.write(header)
        stream.truncate(len(header) + 9_000 * 9_000 * 3)
    refused(path, "9000 x 9000 pixels")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"(" * 5000,
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 8, 8, 3)",
        b"{'descr': (), 'fortran_order': False, 'shape': (4, 8, 8, 3)}",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (4.0, 8, 8, 3)}",
        b"{'descr': '|u1', 'fortran_order': 1, 'shape': (4, 8, 8, 3)}",
        b"{'descr': [('a', 'x')], 'fortran_order': False, 'shape': (4,)}",
        b"__import__('os').abort()",
        b"\xff\xfe'",
        b"  'a\n b",
    ],
)
@pytest.mark.parametrize("version", [b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x09"])
def test_headers_that_are_none(tmp_path: Path, header: bytes, version: bytes) -> None:
    length = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    (tmp_path / "set.npy").write_bytes(b"\x93NUMPY" + version + length + header + bytes(1000))
    refused(tmp_path / "set.npy", "no numpy array")


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "set.npz", x=images(4))
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    refused(path, "cannot be read: .*encrypted")


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), compressed=st.booleans())
def test_flipped_bits_are_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, seed: int, compressed: bool
) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = folder / f"whole-{compressed}.npz"
    if not whole.exists():
        (np.savez_compressed if compressed else np.savez)(whole, x=images(4), y=np.arange(4))
    data = bytearray(whole.read_bytes())
    rng = np.random.default_rng(seed)
    for position in rng.integers(0, len(data), rng.integers(1, 6)):
        data[position] ^= 1 << rng.integers(8)
    flipped = folder / "flipped.npz"
    flipped.write_bytes(data)
    try:
        opened = open_set(flipped, UNIT, SHAPE)
    except BadData:
        return
    assert sum(len(batch.inputs) for batch in opened.batches(3)) == len(opened)


def test_a_zip_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_text("version https://git-lfs.github.com/spec/v1\n")
    refused(tmp_path / "set.npz", "no array file")
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    refused(tmp_path / "empty.npz", "has no array x")
