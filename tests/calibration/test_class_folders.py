"""Which class a folder of images means."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeguard.calibration.sets import open_set
from edgeguard.preprocess import preset


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), [0, 1]),
        (("x", "y"), [0, 1]),
        (("b", "b", "a"), [0, 1]),
        (("c", "b", "a"), [2, 1]),
    ],
)
def test_folders_are_the_classes_they_are_named_after(
    tmp_path: Path, names: tuple[str, ...], expected: list[int]
) -> None:
    rng = np.random.default_rng(0)
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).save(tmp_path / name / "image.png")
    data = open_set(tmp_path, preset("unit", (3, 4, 4)), (3, 4, 4), names=names)
    labels = next(data.batches(9)).labels
    assert labels is not None
    assert labels.tolist() == expected  # of the folders a and b, in this order
