from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.attacks.evaluation.cell import cells_of
from edgeguard.attacks.evaluation.choosing import chosen
from edgeguard.attacks.evaluation.grid_file import read_grid
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student
from edgeguard.errors import BadData, EdgeguardError, UsageError
from tests.attacks.evaluation.grids import GRID, write_grid


def test_a_grid_says_what_stands_in_its_file(tmp_path: Path) -> None:
    text = GRID.replace(
        "[defenses.decoy]", '[defenses."dcp-0.9"]\nname = "dcp"\nparams = { beta = 0.9 }\n[defenses.decoy]'
    )
    grid = read_grid(
        write_grid(tmp_path, text.replace("int8 = true", 'int8 = true\npreprocess = "cifar10"\ncrop = 0.5'))
    )
    assert (grid.name, grid.queries, grid.seeds, grid.students) == ("tiny", 60, (0,), (Student("lenet"),))
    assert grid.recipe == Recipe(epochs=1, augmentation="none")
    assert [defense.name for defense in grid.defenses] == ["undefended", "dcp-0.9", "decoy"]
    assert grid.defenses[0].undefended
    assert grid.defenses[1].params == (("beta", "0.9"),)
    assert grid.defenses[2].budget == 5.0
    (victim,) = grid.victims
    assert victim.model.path == tmp_path / "victim.onnx"
    preprocess = victim.preprocess((3, 16, 16))
    assert (preprocess.crop, preprocess.mean, preprocess.size) == (0.5, (0.4914, 0.4822, 0.4465), (16, 16))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[defenses.decoy]", "[defenses.decoy-0.5]", "'5' is not known. It has: name, params"),
        ("[defenses.decoy]", "[defenses.decoy-0.5]", 'a name with a dot: "decoy-0.5"'),
        ("queries = 60", "querys = 60", "'querys' is not known. It has: name, queries, seeds, test"),
        ("int8 = true", 'arch = "os:system"', "'arch' is not known. It has: model, student, input-shape"),
        ("int8 = true", "trust-pickle = true", "'trust-pickle' is not known"),
        ("epochs = 1", "epoch = 1", "recipe: 'epoch' is not known. It has: epochs, batch"),
        ("budget = 5.0", "budgett = 5.0", "defenses.decoy: 'budgett' is not known. It has: name, params, budget"),
        ("epochs = 1", "epochs = 0", "trains nothing"),
        ("queries = 60", 'queries = "60"', "queries: Input should be a valid integer"),
        ("seeds = [0]", "seeds = [1, 1]", "names one of its seeds twice"),
        ("seeds = [0]", "seeds = []", "has no seeds"),
        ("queries = 60", "queries = 0", "queries must be at least 1"),
        ('["lenet"]', '["lenett"]', "there is no student 'lenett'"),
        ('name = "decoy"', 'name = "decoi"', "defenses.decoy: there is no defense 'decoi'"),
        ("budget = 5.0", "params = { beta = 1 }", "decoy has no parameter 'beta'"),
        ('name = "decoy"\nbudget', "budget", "budget means nothing without a defense"),
        ('strategy = "naive"', 'strategy = "nave"', "attacks.naive: there is no strategy 'nave'"),
        ('strategy = "naive"', 'strategy = "naive"\nqueries = "all"', "there is no query strategy 'all'"),
        ('strategy = "naive"', "", "an attack has a strategy, or is data-free"),
        ('strategy = "naive"', 'data-free = "dream"', "there is no data-free attack 'dream'"),
        ('calibration = "calibration.npz"\n', "", "int8 needs images for its ranges"),
        ('model = "victim.onnx"', 'model = "victim.onnx"\nstudent = "lenet"', "a .pt holds the weights"),
        ('model = "victim.onnx"', 'model = "thief.npz"', "a model of a grid is .onnx, .pt2"),
        ('[pools.thief]\ndata = "thief.npz"\n', "", "has no pools"),
        ('test = "test.npz"', 'test = "tests.npz"', "tests.npz: there is no such file"),
        ("int8 = true", 'int8 = true\ntarget = "rpi9"', "rpi9"),
        ('name = "decoy"\nbudget = 5.0', 'baseline = "mad"', "'int8' is int8. Put baselines into a grid of float"),
        ('name = "decoy"\nbudget = 5.0', 'name = "decoy"\nbaseline = "mad"', "is both a defense and a baseline"),
    ],
)
def test_what_makes_no_grid_is_refused_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert GRID.count(old) == 1
    path = write_grid(tmp_path, GRID.replace(old, new))
    with pytest.raises(EdgeguardError) as refused:
        read_grid(path)
    assert told in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_baseline_that_there_is_not_is_refused(tmp_path: Path) -> None:
    text = GRID.replace('name = "decoy"\nbudget = 5.0', 'baseline = "madness"').replace("int8 = true", "int8 = false")
    with pytest.raises(UsageError, match=r"defenses\.decoy: there is no baseline 'madness'"):
        read_grid(write_grid(tmp_path, text))


def test_a_state_dict_needs_its_shape_and_classes(tmp_path: Path) -> None:
    path = write_grid(tmp_path, GRID.replace('"victim.onnx"', '"victim.pt"\nstudent = "lenet"'))
    (tmp_path / "victim.pt").write_bytes(b"weights")
    with pytest.raises(UsageError, match="input-shape"):
        read_grid(path)


def test_no_file_and_no_toml_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_grid(tmp_path / "grid.toml")
    (tmp_path / "grid.toml").write_text("name = ")
    with pytest.raises(BadData, match="cannot be read"):
        read_grid(tmp_path / "grid.toml")


def test_cells_are_chosen_by_their_names(tmp_path: Path) -> None:
    cells = cells_of(read_grid(write_grid(tmp_path)))
    assert chosen(cells, ()) == cells
    decoys = chosen(cells, (("defense", "decoy"), ("attack", "naive"), ("attack", "top-1"), ("seed", "0")))
    assert [cell.name.attack for cell in decoys] == ["naive", "top-1"]
    assert {cell.name.defense for cell in decoys} == {"decoy"}
    with pytest.raises(UsageError, match=r"the grid has no defense 'decoi'\. It has: undefended, decoy"):
        chosen(cells, (("defense", "decoi"),))
    with pytest.raises(UsageError, match="They have: victim, defense, pool, attack, student, seed"):
        chosen(cells, (("defence", "decoy"),))
