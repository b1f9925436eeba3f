"""Sets of images, whole and as a victim takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeguard.attacks.black_box import BlackBox
from edgeguard.attacks.transfer import Pool
from edgeguard.calibration.data_set import DataSet, checked_batches
from edgeguard.calibration.sets import open_set
from edgeguard.errors import BadData

__all__ = ["labelled", "pool_of", "test_images"]

Array = np.ndarray[Any, Any]

_BLOCK = 256


def pool_of(path: Path, victim: BlackBox, limit: int | None = None) -> Pool:
    """The thief's images.

    :param limit: take this many, evenly spread.
    :raises BadData: they cannot be used.
    """
    inputs, labels = _whole(_opened(path, victim, limit))
    return Pool(inputs, labels)


def labelled(path: Path, victim: BlackBox) -> tuple[Array, Array | None]:
    """Inputs, float32 ``[n, *input_shape]``, and their classes, int64 ``[n]``, if they are known.

    :raises BadData: they cannot be used.
    """
    return _whole(_opened(path, victim))


def test_images(path: Path, victim: BlackBox, classes: int) -> tuple[Array, Array]:
    """Test inputs, float32 ``[n, *input_shape]``, and their true classes, int64 ``[n]``.

    :raises BadData: they cannot be used, or have no labels, or such as the victim has no class for.
    """
    data = _opened(path, victim)
    for _ in checked_batches(data, _BLOCK, classes):
        pass
    inputs, labels = _whole(data)
    if labels is None:
        raise BadData("has no labels, and a clone's accuracy is measured on it", where=data.name, fix="Add y")
    return inputs, labels


def _opened(path: Path, victim: BlackBox, limit: int | None = None) -> DataSet:
    return open_set(path, victim.preprocess, victim.input_shape, limit=limit, names=victim.labels)


def _whole(data: DataSet) -> tuple[Array, Array | None]:
    batches = list(data.batches(_BLOCK))
    inputs = np.concatenate([batch.inputs for batch in batches])
    labels = [batch.labels for batch in batches if batch.labels is not None]
    return inputs, np.concatenate(labels) if labels else None
