"""Sets of inputs: folders of images, ``.npz``, ``.npy`` and arrays, read as a stream and never held whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.calibration.data_set import BLOCK, Batch, DataSet, check_disjoint
from edgeguard.calibration.npy_stream import ArrayFile, open_array
from edgeguard.calibration.values import check_values
from edgeguard.digests import array_digest
from edgeguard.errors import BadData
from edgeguard.images import IMAGE_SUFFIXES, decode_image
from edgeguard.preprocess import Preprocess

__all__ = ["Batch", "DataSet", "array_set", "check_disjoint", "open_set"]

Array = np.ndarray[Any, Any]

# Bytes of an array file read at once, and pixels above which a single image is an attack.
_BLOCK_BYTES = 16 << 20
_MOST_PIXELS = 1 << 26


def open_set(
    path: Path,
    preprocess: Preprocess | None,
    input_shape: tuple[int, ...],
    *,
    limit: int | None = None,
    names: tuple[str, ...] = (),
) -> DataSet:
    """A set of inputs for a network.

    A folder holds images, flat or in class folders: they are the classes they are named after if all are named after
    one, else they count in sorted order. An ``.npz`` holds ``x`` and
    perhaps ``y``, an ``.npy`` just ``x``: uint8 images ``[n, height, width, 3]`` or ``[n, height, width]``, or floats
    that are finished inputs ``[n, *input_shape]``.

    :param preprocess: turns images into inputs; ``None`` when the network's input is no image.
    :param limit: take this many, evenly spread.
    :param names: of the network's classes, in order, if they have any.
    :raises BadData: the set is empty, constant, of the wrong shape or range, or unreadable.
    """
    opened: DataSet
    if not path.exists():
        raise BadData("there is no such file or folder", where=str(path))
    if path.is_dir():
        opened = _folder(path, _needed(preprocess, path), limit, names)
    elif path.suffix in (".npz", ".npy"):
        opened = _array_file(path, preprocess, input_shape, limit)
    else:
        raise BadData("is neither a folder of images nor .npz nor .npy", where=str(path))
    check_values(opened, preprocess)
    return opened


def array_set(inputs: Array, *, synthetic: bool) -> DataSet:
    """A set of finished inputs, float32 ``[n, *input_shape]``, held in memory."""
    return _ArraySet(inputs, synthetic)


@dataclass
class _Folder(DataSet):
    name: str
    files: tuple[Path, ...]
    labels: Array | None
    preprocess: Preprocess
    synthetic: bool = field(default=False, init=False)

    @property
    def labelled(self) -> bool:  # type: ignore[override]
        return self.labels is not None

    def __len__(self) -> int:
        return len(self.files)

    def batches(self, size: int) -> Iterator[Batch]:
        for start in range(0, len(self.files), size):
            images = [decode_image(path) for path in self.files[start : start + size]]
            labels = None if self.labels is None else self.labels[start : start + size]
            yield Batch(self.preprocess(images), labels, tuple(map(_image_digest, images)))


@dataclass
class _ArrayFileSet(DataSet):
    name: str
    array: ArrayFile
    labels: Array | None
    preprocess: Preprocess | None
    chosen: Array
    synthetic: bool = field(default=False, init=False)

    @property
    def labelled(self) -> bool:  # type: ignore[override]
        return self.labels is not None

    def __len__(self) -> int:
        return len(self.chosen)

    def batches(self, size: int) -> Iterator[Batch]:
        waiting: list[Array] = []
        position = 0
        done = 0
        for block in self.array.rows(min(BLOCK, _BLOCK_BYTES // self.array.row_bytes) or 1):
            first, last = np.searchsorted(self.chosen, [position, position + len(block)])
            waiting.extend(block[index] for index in self.chosen[first:last] - position)
            position += len(block)
            while len(waiting) >= size:
                yield self._batch(waiting[:size], done)
                done += size
                waiting = waiting[size:]
        if waiting:
            yield self._batch(waiting, done)

    def _batch(self, rows: Sequence[Array], start: int) -> Batch:
        labels = None if self.labels is None else self.labels[self.chosen[start : start + len(rows)]]
        if self.preprocess is not None:
            return Batch(self.preprocess(rows), labels, tuple(map(_image_digest, rows)))
        with np.errstate(over="ignore"):
            inputs = np.stack(rows).astype(np.float32)
        if not np.isfinite(inputs).all():
            raise BadData("holds NaN, infinity or numbers beyond float32", where=self.name)
        return Batch(inputs, labels, tuple(map(array_digest, rows)))


@dataclass
class _ArraySet(DataSet):
    inputs: Array
    synthetic: bool
    name: str = field(default="synthetic images", init=False)
    labelled: bool = field(default=False, init=False)

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, size: int) -> Iterator[Batch]:
        for start in range(0, len(self.inputs), size):
            inputs = self.inputs[start : start + size]
            yield Batch(inputs, None, tuple(map(array_digest, inputs)))


def _folder(path: Path, preprocess: Preprocess, limit: int | None, names: tuple[str, ...]) -> DataSet:
    classes = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    numbers = _class_numbers([folder.name for folder in classes], names)
    found = [(file, label) for label, folder in zip(numbers, classes, strict=True) for file in _images(folder)]
    if not found:
        classes = []
        found = [(file, 0) for file in _images(path)]
    if not found:
        raise BadData("holds no images", where=str(path), fix=f"Known suffixes: {' '.join(sorted(IMAGE_SUFFIXES))}")
    chosen = _spread(len(found), limit)
    labels = np.array([found[index][1] for index in chosen], np.int64) if classes else None
    return _Folder(path.name, tuple(found[index][0] for index in chosen), labels, preprocess)


def _class_numbers(folders: list[str], names: tuple[str, ...]) -> list[int]:
    """The class that each folder means. Sorted order is wrong where the network's classes are not sorted, or where the
    set lacks one of them."""
    if len(set(names)) == len(names) and set(folders) <= set(names):
        return [names.index(folder) for folder in folders]
    return list(range(len(folders)))


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())


def _array_file(path: Path, preprocess: Preprocess | None, input_shape: tuple[int, ...], limit: int | None) -> DataSet:
    where = str(path)
    array = open_array(path, "x" if path.suffix == ".npz" else None)
    if array is None:
        raise BadData("has no array x", where=where, fix="numpy.savez(path, x=images, y=labels)")
    if not array.shape or min(array.shape) < 1:
        raise BadData(f"is empty: its shape is {list(array.shape)}", where=where)
    if array.dtype == np.uint8:
        _check_images(array, where)
        preprocess = _needed(preprocess, path)
    elif array.dtype.kind == "f":
        if array.shape[1:] != input_shape:
            raise BadData(
                f"holds inputs of shape {list(array.shape[1:])}, the network takes {list(input_shape)}",
                where=where,
                fix="Float arrays are taken as finished inputs; save images as uint8 to have them preprocessed",
            )
        preprocess = None
    else:
        raise BadData(f"holds {array.dtype}, not uint8 images or float inputs", where=where)
    return _ArrayFileSet(path.name, array, _labels(path, array), preprocess, _spread(array.shape[0], limit))


def _check_images(array: ArrayFile, where: str) -> None:
    shape = array.shape
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise BadData(
            f"holds uint8 of shape {list(shape)}",
            where=where,
            fix="Images are [n, height, width, 3] or [n, height, width]",
        )
    if shape[1] * shape[2] > _MOST_PIXELS:
        raise BadData(f"holds images of {shape[1]} x {shape[2]} pixels", where=where, fix="Scale them down first")


def _labels(path: Path, array: ArrayFile) -> Array | None:
    if path.suffix != ".npz":
        return None
    labels = open_array(path, "y")
    if labels is None:
        return None
    if labels.dtype.kind not in "iu" or labels.shape != array.shape[:1]:
        raise BadData(
            f"y is {labels.dtype} {list(labels.shape)}, not one integer for each of {array.shape[0]} images",
            where=str(path),
        )
    return labels.read().astype(np.int64)


def _needed(preprocess: Preprocess | None, path: Path) -> Preprocess:
    if preprocess is None:
        raise BadData(
            "holds images, and the network's input is no image",
            where=str(path),
            fix="Pass finished inputs as float arrays in an .npz",
        )
    return preprocess


def _spread(count: int, limit: int | None) -> Array:
    """Indices of ``limit`` of ``count`` entries, evenly spread; all without a limit."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.arange(limit) * count // limit


def _image_digest(image: Array) -> str:
    """Of its RGB pixels: a grey image is the same one whether it came with one channel or with three."""
    return array_digest(np.broadcast_to(image.reshape(*image.shape[:2], -1), (*image.shape[:2], 3)))
