from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgeguard.attacks.data_free.registry import DATA_FREE
from edgeguard.attacks.evaluation import cell as cell_module
from edgeguard.attacks.evaluation.cell import cells_of
from edgeguard.attacks.evaluation.content import content_digest
from edgeguard.attacks.evaluation.grid_file import read_grid
from edgeguard.attacks.readings.registry import STRATEGIES
from edgeguard.errors import UsageError
from tests.attacks.evaluation.grids import GRID, write_grid, written_cells


def decoy_digest(directory: Path, text: str = GRID) -> str:
    directory.mkdir(exist_ok=True)
    return next(cell.digest for cell in written_cells(directory, text) if cell.defense.defense is not None)


def test_identity_survives_a_move_new_names_and_another_order(tmp_path: Path) -> None:
    before = decoy_digest(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    (tmp_path / "there" / "thief.npz").rename(tmp_path / "there" / "other.npz")
    text = GRID.replace('data = "thief.npz"', 'data = "other.npz"')
    for name in ("tiny", "victims.int8", "pools.thief", "defenses.decoy", "attacks.naive"):
        text = text.replace(f'"{name}"', '"renamed"').replace(f"[{name}]", f"[{name}-renamed]")
    text = text.replace("seeds = [0]\n", "").replace('name = "renamed"\n', 'name = "renamed"\nseeds = [0]\n')
    (tmp_path / "there" / "grid.toml").write_text(text)
    moved = cells_of(read_grid(tmp_path / "there" / "grid.toml"))
    assert before in [cell.digest for cell in moved]
    assert moved[-1].name.defense == "decoy-renamed"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("queries = 60", "queries = 61"),
        ("seeds = [0]", "seeds = [1]"),
        ('["lenet"]', '["lenet/4"]'),
        ("epochs = 1", "epochs = 2"),
        ('augmentation = "none"', 'augmentation = "shift"'),
        ("epochs = 1", "epochs = 1\nrate = 0.2"),
        ("int8 = true", "int8 = false"),
        ("int8 = true", "int8 = true\ncalibration-limit = 16"),
        ("int8 = true", 'int8 = true\ntarget = "rpi5"'),
        ("int8 = true", 'int8 = true\npreprocess = "cifar10"'),
        ("int8 = true", "int8 = true\nscale = 0.5"),
        ("int8 = true", "int8 = true\nmean = [0.5]"),
        ("budget = 5.0", "budget = 4.0"),
        ("budget = 5.0", 'budget = 5.0\ngate = "energy"'),
        ("budget = 5.0", 'budget = 5.0\nhead = "float"'),
        ("budget = 5.0", 'budget = 5.0\nqueries = "validation.npz"'),
        ('name = "decoy"', 'name = "codebook"'),
        ('name = "decoy"', 'name = "decoy"\nparams = { levels = 3 }'),
        ('"thief.npz"', '"thief.npz"\nlimit = 70'),
        ('strategy = "naive"', 'strategy = "recovery"'),
        ('strategy = "naive"', 'strategy = "naive"\nqueries = "adaptive"'),
    ],
)
def test_every_parameter_changes_the_identity(tmp_path: Path, old: str, new: str) -> None:
    assert GRID.count(old) == 1
    assert decoy_digest(tmp_path, GRID.replace(old, new)) != decoy_digest(tmp_path)


@pytest.mark.parametrize("name", ["calibration", "validation", "thief", "test"])
def test_every_file_changes_the_identity(tmp_path: Path, name: str) -> None:
    before = decoy_digest(tmp_path)
    with np.load(tmp_path / f"{name}.npz") as stored:
        images, labels = stored["x"].copy(), stored["y"]
    images[0, 0, 0, 0] ^= 1
    np.savez(tmp_path / f"{name}.npz", x=images, y=labels)
    after = cells_of(read_grid(tmp_path / "grid.toml"))
    assert before not in [cell.digest for cell in after]


def test_the_version_of_the_rules_changes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = decoy_digest(tmp_path)
    monkeypatch.setattr(cell_module, "RULES", cell_module.RULES + 1)
    assert decoy_digest(tmp_path) != before


@pytest.mark.parametrize(
    ("changed", "gated"),
    [
        ("budget = 5.0", True),
        ('gate = "energy"\nbudget = 5.0', True),
        ('gate = "none"\nbudget = 5.0', False),
        ("budget = 0.0", False),
    ],
)
def test_the_version_of_gates_changes_it_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, gated: bool
) -> None:
    text = GRID.replace("budget = 5.0", changed)
    before = decoy_digest(tmp_path, text)
    monkeypatch.setattr(cell_module, "GATE_VERSION", cell_module.GATE_VERSION + 1)
    assert (decoy_digest(tmp_path, text) != before) == gated


@pytest.mark.parametrize(
    ("written", "registry", "name"), [("strategy", STRATEGIES, "naive"), ("data-free", DATA_FREE, "maze")]
)
def test_the_version_of_an_attack_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, registry: dict[str, Any], name: str
) -> None:
    text = GRID.replace('strategy = "naive"', f'{written} = "{name}"')
    before = {cell.name: cell.digest for cell in written_cells(tmp_path, text)}
    monkeypatch.setitem(registry, name, replace(registry[name], version=registry[name].version + 1))
    changed = {cell.name.attack for cell in written_cells(tmp_path, text) if cell.digest != before[cell.name]}
    assert changed == {"naive"}


def test_two_names_for_one_cell_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the same cell twice"):
        written_cells(tmp_path, GRID + "[defenses.again]\n")


def test_cells_come_seed_by_seed_the_undefended_first(tmp_path: Path) -> None:
    text = (
        GRID.replace("seeds = [0]", "seeds = [5, 3]").replace("[defenses.undefended]\n", "") + "[defenses.undefended]"
    )
    found = [(cell.seed, cell.defense.name, cell.attack.name) for cell in written_cells(tmp_path, text)]
    assert found == [
        (seed, defense, attack)
        for seed in (5, 3)
        for defense in ("undefended", "decoy")
        for attack in ("naive", "top-1")
    ]


def test_a_folder_is_known_by_its_images_and_their_classes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    for place, folders in (("a", ("cat", "dog")), ("b", ("cat", "dog")), ("c", ("dog", "cat"))):
        for folder, image in zip(folders, pixels, strict=True):
            (tmp_path / place / folder).mkdir(parents=True)
            Image.fromarray(image).save(tmp_path / place / folder / "1.png")
    (tmp_path / "b" / "README").write_text("no image")
    digests = [content_digest(tmp_path / place) for place in "abc"]
    assert digests[0] == digests[1] != digests[2]


def test_reading_needs_no_more_than_the_files(tmp_path: Path) -> None:
    path = write_grid(tmp_path)
    assert [cell.digest for cell in cells_of(read_grid(path))] == [cell.digest for cell in cells_of(read_grid(path))]
