"""Peers in grids, around a small network of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeguard.attacks.evaluation.cache import Store
from edgeguard.attacks.evaluation.cell import Cell
from edgeguard.attacks.evaluation.grid_file import read_grid
from edgeguard.attacks.evaluation.run import run_cell
from edgeguard.attacks.evaluation.victims import plain, respondent
from edgeguard.attacks.images import labelled
from edgeguard.attacks.isolation import seeded
from edgeguard.attacks.students.lenet import lenet
from edgeguard.errors import UsageError
from tests.artifacts import SIZE
from tests.attacks.evaluation.grids import GRID, write_grid, written_cells

VICTIM = f"""[victims.float]
model = "victim.pt"
student = "lenet/2"
input-shape = [3, {SIZE}, {SIZE}]
classes = 10
"""
GRID_OF_PEERS = (
    GRID.replace('[victims.int8]\nmodel = "victim.onnx"\nint8 = true\n', VICTIM)
    .replace('name = "decoy"\nbudget = 5.0', "{peer}")
    .replace('[attacks.top-1]\nstrategy = "top-1"\n', "")
)


def written(directory: Path, peer: str) -> tuple[Cell, ...]:
    """The undefended cell, and that of a peer."""
    with seeded(0):
        network = lenet(10, 2, 3, SIZE)
    network.linear.weight.data.mul_(20)
    torch.save(network.state_dict(), directory / "victim.pt")
    return written_cells(directory, GRID_OF_PEERS.replace("{peer}", peer))


def test_a_peer_is_attacked_like_a_defense(tmp_path: Path) -> None:
    peer = 'baseline = "adaptive-misinformation"\nparams = { tau = 0.95, epochs = 1 }'
    bare, defended = written(tmp_path, peer)
    store = Store(tmp_path / "cache")
    inputs, _ = labelled(defended.test.path, plain(defended, store).box)
    plainly, peerly = (respondent(cell, store).answers(inputs, store) for cell in (bare, defended))
    moved = np.abs(plainly - peerly).sum(axis=1) > 1e-3
    # Where the gate lets pass, torch says what the exported artifact says.
    assert (moved == (plainly.max(axis=1) < 0.95)).mean() > 0.98
    assert len(list((tmp_path / "cache" / "peer-networks").glob("[!.]*"))) == 1
    record = run_cell(defended, tmp_path / "cache")
    assert record.utility.l1 > 0.01
    assert record.exposure is not None


def test_what_its_owner_asks_is_no_part_of_a_peers_past(tmp_path: Path) -> None:
    _, defended = written(tmp_path, 'baseline = "modelguard-s"\nparams = { epsilon = 1.0 }')
    store = Store(tmp_path / "cache")
    inputs, _ = labelled(defended.test.path, plain(defended, store).box)
    asked_first, asked_after = respondent(defended, store), respondent(defended, store)
    first = asked_first.box.ask(inputs[:20])
    asked_after.answers(inputs, store)
    assert (asked_after.box.ask(inputs[:20]) == first).all()


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        ('baseline = "madness"', "defenses.decoy: there is no baseline 'madness'"),
        ('baseline = "mad"\nparams = { epsilon = 3 }', "epsilon must lie in"),
        ('baseline = "mad"\nparams = { beta = 3 }', "mad has no parameter 'beta'"),
        ('baseline = "mad"\nbudget = 1.0', "budget means nothing without a defense"),
    ],
)
def test_baselines_that_there_are_not_are_refused(tmp_path: Path, peer: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        written(tmp_path, peer)


def test_a_file_that_torch_does_not_know_has_no_peers(tmp_path: Path) -> None:
    text = GRID.replace('name = "decoy"\nbudget = 5.0', 'baseline = "mad"').replace("int8 = true", "int8 = false")
    with pytest.raises(UsageError, match="takes the network as torch knows it, and 'int8' is a file"):
        read_grid(write_grid(tmp_path, text))
