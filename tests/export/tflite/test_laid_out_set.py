"""Sets for the TFLite model of a network: the same images, their channels last."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeguard.calibration.sets import array_set, open_set
from edgeguard.export.tflite.laid_out_set import LaidOutSet
from edgeguard.preprocess import Preprocess
from tests.artifacts import random_images


def test_pictures_have_their_channels_last_and_are_the_same_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    np.savez(path, x=random_images(40, seed=1), y=np.arange(40) % 10)
    first = open_set(path, Preprocess((8, 8)), (3, 8, 8))
    last, direct = LaidOutSet(first), open_set(path, Preprocess((8, 8), layout="nhwc"), (8, 8, 3))
    assert (len(last), last.labelled, last.name, last.digest) == (40, True, first.name, first.digest)
    for found, wanted in zip(last.batches(16), direct.batches(16), strict=True):
        assert np.array_equal(found.inputs, wanted.inputs)
        assert np.array_equal(found.labels, wanted.labels)


@pytest.mark.parametrize("shape", [(20,), (5, 4)])
def test_other_inputs_stay_as_they_are(shape: tuple[int, ...]) -> None:
    inputs = np.random.default_rng(0).standard_normal((7, *shape)).astype(np.float32)
    (batch,) = LaidOutSet(array_set(inputs, synthetic=True)).batches(32)
    assert np.array_equal(batch.inputs, inputs)
