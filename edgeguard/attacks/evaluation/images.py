"""The images of a cell, as a victim takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.black_box import BlackBox
from edgeguard.attacks.evaluation.grid import PoolSpec, Source
from edgeguard.attacks.transfer import Pool
from edgeguard.calibration.data_set import DataSet, checked_batches
from edgeguard.calibration.sets import open_set
from edgeguard.errors import BadData

__all__ = ["labelled", "pool_of", "test_images"]

Array = np.ndarray[Any, Any]

_BLOCK = 256


def pool_of(pool: PoolSpec, victim: BlackBox) -> Pool:
    """The thief's images.

    :raises BadData: they cannot be used.
    """
    inputs, labels = _whole(open_set(pool.data.path, victim.preprocess, victim.input_shape, limit=pool.limit))
    return Pool(inputs, labels)


def labelled(source: Source, victim: BlackBox) -> tuple[Array, Array | None]:
    """Inputs, float32 ``[n, *input_shape]``, and their classes, int64 ``[n]``, if they are known.

    :raises BadData: they cannot be used.
    """
    return _whole(open_set(source.path, victim.preprocess, victim.input_shape))


def test_images(source: Source, victim: BlackBox, classes: int) -> tuple[Array, Array]:
    """Test inputs, float32 ``[n, *input_shape]``, and their true classes, int64 ``[n]``.

    :raises BadData: they cannot be used, or have no labels, or such as the victim has no class for.
    """
    data = open_set(source.path, victim.preprocess, victim.input_shape)
    for _ in checked_batches(data, _BLOCK, classes):
        pass
    inputs, labels = _whole(data)
    if labels is None:
        raise BadData("has no labels, and a clone's accuracy is measured on it", where=data.name, fix="Add y")
    return inputs, labels


def _whole(data: DataSet) -> tuple[Array, Array | None]:
    batches = list(data.batches(_BLOCK))
    inputs = np.concatenate([batch.inputs for batch in batches])
    labels = [batch.labels for batch in batches if batch.labels is not None]
    return inputs, np.concatenate(labels) if labels else None
