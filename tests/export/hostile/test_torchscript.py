"""Row 1 of the anchors for TorchScript: a program in a small language, which can write files and run for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.export.hostile.archives import members, pack
from tests.export.hostile.refusals import refuse, refuse_loading


class Writes(torch.nn.Module):
    """TorchScript is a program: this one opens a file for writing whenever it answers."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.dense = torch.nn.Linear(12, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        opened = torch.from_file(self.path, True, 4)
        return self.dense(x.flatten(1)) + opened.sum() * 0


class Saves(torch.nn.Module):
    """So does this one."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.path)
        return x.flatten(1)


class Loops(torch.nn.Module):
    """Never answers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        turns = 1
        while turns > 0:
            turns = turns % 7 + 1
        return x.flatten(1)


@pytest.mark.parametrize(("module", "word"), [(Writes, "from_file"), (Saves, "save")])
def test_row_1_torchscript_that_writes_files(
    tmp_path: Path, canary: Path, module: Callable[[str], torch.nn.Module], word: str
) -> None:
    torch.jit.script(module(str(canary))).save(str(tmp_path / "model.pt"))
    refuse_loading(tmp_path / "model.pt", f"its TorchScript uses '{word}'", "--trust-pickle", input_shape=(3, 2, 2))
    assert not canary.exists()


def test_torchscript_that_never_ends(tmp_path: Path) -> None:
    torch.jit.script(Loops()).save(str(tmp_path / "model.pt"))
    refuse(tmp_path / "model.pt", "its TorchScript uses 'while'", options=("--defend", "--input-shape", "3,2,2"))


def test_torchscript_whose_source_hides_behind_another_case(tmp_path: Path, canary: Path) -> None:
    torch.jit.script(Saves(str(canary))).save(str(tmp_path / "honest.pt"))
    content = {
        name.replace("code/__torch__.py", "CODE/__torch__.PY"): data
        for name, data in members(tmp_path / "honest.pt").items()
    }
    refuse_loading(pack(tmp_path / "model.pt", content), "model.pt", input_shape=(3, 2, 2))
    assert not canary.exists()
