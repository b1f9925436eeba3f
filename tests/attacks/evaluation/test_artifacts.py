from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeguard.artifact import GOLDEN, MANIFEST
from edgeguard.attacks.evaluation.artifacts import Exported, defended, owner_key, undefended
from edgeguard.attacks.evaluation.cache import Store
from edgeguard.attacks.evaluation.cell import Cell
from edgeguard.attacks.evaluation.grid import DefenseSpec, Source
from edgeguard.attacks.evaluation.victims import plain, respondent
from edgeguard.attacks.students.registry import Student, build
from edgeguard.keys import MasterKey, read_key
from tests.attacks.evaluation.grids import written_cells
from tests.cli.inprocess import Here

DEFENSES = {
    "decoy": DefenseSpec("a", "decoy", (("levels", "3"),), budget=5.0),
    "codebook": DefenseSpec("b", "codebook"),
    "dcp": DefenseSpec("c", "dcp", (("beta", "1.2"),)),
}


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return written_cells(tmp_path)[0]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(capsys)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.mark.parametrize("name", DEFENSES)
@pytest.mark.parametrize("int8", [True, False])
def test_the_attacked_file_is_what_one_export_writes(
    cell: Cell, store: Store, here: Here, tmp_path: Path, name: str, int8: bool
) -> None:
    defense, directory = DEFENSES[name], str(cell.victim.model.path.parent)
    made = defended(replace(cell.victim, int8=int8), defense, 7, store)
    images = (f"--calibration={directory}/calibration.npz", f"--validation={directory}/validation.npz")
    options = [f"--defense={name}", "--preprocess=unit", f"--output={tmp_path}/direct.edgeguard", *images]
    options += [f"--defense-param={key}={value}" for key, value in defense.params]
    options += [] if defense.budget is None else [f"--budget={defense.budget}"]
    # Victims are rounded to the nearest: what refines them must not change what earlier cells attacked.
    options += ["--int8", "--without=fast-bias"] if int8 else []
    options += [f"--key={owner_key(7, store)}"] if name == "decoy" else []
    assert here("export", f"{directory}/victim.onnx", *options).code == 0
    direct = Exported("", tmp_path / "direct.edgeguard")
    assert direct.manifest.defense == made.manifest.defense
    assert direct.manifest.measured is not None
    assert made.manifest.measured is not None
    assert direct.manifest.measured.accuracy == made.manifest.measured.accuracy
    assert (direct.path / "model.onnx").read_bytes() == (made.path / "model.onnx").read_bytes()


def test_only_defenses_with_a_key_are_made_for_each_seed(cell: Cell, store: Store) -> None:
    made = {
        name: [defended(cell.victim, defense, seed, store).key for seed in (0, 0, 1)]
        for name, defense in DEFENSES.items()
    }
    assert made["dcp"][0] == made["dcp"][1] == made["dcp"][2]
    assert made["codebook"][0] == made["codebook"][2]
    assert made["decoy"][0] == made["decoy"][1] != made["decoy"][2]
    assert len(list((store.root / "artifacts").iterdir())) == 2 + 1 + 1 + 2


def test_no_thief_draws_the_owners_key_by_chance(store: Store) -> None:
    owners = {read_key(owner_key(seed, store)).commitment for seed in range(3)}
    thieves = {MasterKey(np.random.default_rng(seed).bytes(32)).commitment for seed in range(20)}
    assert len(owners) == 3
    assert not owners & thieves


def test_answers_are_those_of_the_deployed_file_and_remembered(cell: Cell, store: Store) -> None:
    guarded = replace(cell, defense=DEFENSES["decoy"])
    asked, owned = respondent(guarded, store), plain(guarded, store)
    inputs = np.random.default_rng(0).random((12, 3, 16, 16), np.float32)
    first = asked.answers(inputs, store)
    np.testing.assert_array_equal(first, asked.box.ask(inputs))
    assert not np.array_equal(first, owned.answers(inputs, store))
    assert asked.knowledge.shadow is not None
    assert owned.knowledge.shadow is None
    deaf = replace(asked, box=replace(asked.box, answer=None))  # type: ignore[arg-type]
    np.testing.assert_array_equal(deaf.answers(inputs, store), first)


def test_a_state_dict_of_a_student_is_a_victim(cell: Cell, store: Store, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build(Student("lenet", 2), (1, 16, 16), 4)
    torch.save(network.state_dict(), tmp_path / "victim.pt")
    victim = replace(
        cell.victim,
        model=Source(tmp_path / "victim.pt", "0"),
        student=Student("lenet", 2),
        input_shape=(1, 16, 16),
        classes=4,
        int8=False,
        calibration=None,
        validation=None,
    )
    made = undefended(victim, store)
    assert {entry.name for entry in made.path.iterdir()} == {"model.onnx", MANIFEST, GOLDEN}
    inputs = np.random.default_rng(0).random((5, 1, 16, 16), np.float32)
    answers = respondent(replace(cell, victim=victim), store).answers(inputs, store)
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(inputs)).softmax(1).numpy()
    np.testing.assert_allclose(answers, expected, atol=1e-5)
