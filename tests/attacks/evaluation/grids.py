"""A grid that runs in seconds: a small random network, which is asked a few dozen images."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnx

from edgeguard.attacks.evaluation.cell import Cell, cells_of
from edgeguard.attacks.evaluation.grid_file import read_grid
from edgeguard.preprocess import Preprocess
from edgeguard.runtimes.ort_session import answerer
from tests.artifacts import SIZE, random_images, random_network

__all__ = ["GRID", "write_grid", "written_cells"]

GRID = """\
name = "tiny"
queries = 60
seeds = [0]
students = ["lenet"]
test = "test.npz"

[recipe]
epochs = 1
augmentation = "none"

[victims.int8]
model = "victim.onnx"
int8 = true
calibration = "calibration.npz"
validation = "validation.npz"

[pools.thief]
data = "thief.npz"

[defenses.undefended]
[defenses.decoy]
name = "decoy"
budget = 5.0

[attacks.naive]
strategy = "naive"
[attacks.top-1]
strategy = "top-1"
"""


def write_grid(directory: Path, text: str = GRID) -> Path:
    """Write a grid, its network and its images, whose true classes are what the float network says."""
    network = random_network()
    onnx.save(network, directory / "victim.onnx")
    sets = {"calibration": 32, "validation": 200, "thief": 80, "test": 100}
    for seed, (name, count) in enumerate(sets.items(), 1):
        images, labels = _labelled(count, seed)
        np.savez(directory / f"{name}.npz", x=images, y=labels)
    path = directory / "grid.toml"
    path.write_text(text)
    return path


def written_cells(directory: Path, text: str = GRID) -> tuple[Cell, ...]:
    """The cells of a grid just written."""
    return cells_of(read_grid(write_grid(directory, text)))


@functools.cache
def _labelled(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    images = random_images(count, seed=seed)
    answer = answerer(random_network().SerializeToString(), None)
    return images, answer(Preprocess((SIZE, SIZE))(images)).argmax(axis=1)
