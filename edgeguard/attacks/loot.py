"""What is kept of one theft: the clone, as weights and as ONNX, and what it is worth."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeguard.attacks.metrics import Exposure, Theft, Utility
from edgeguard.attacks.recipe import Recipe
from edgeguard.attacks.students.registry import Student, factory_of
from edgeguard.staging import staged_directory

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CLONE_ONNX", "CLONE_WEIGHTS", "REPORT", "Loot", "write_loot"]

CLONE_WEIGHTS = "clone.pt"
CLONE_ONNX = "clone.onnx"
REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Loot:
    """The report of a theft. ``None`` stands for what could not be measured.

    :param victim: its name, without its folder.
    :param attack: the training strategy, or the data-free attack.
    :param choice: the query strategy; ``None`` for a data-free attack.
    :param queries: answered by the oracle.
    :param images: in the lesson, after the thief has read his answers; ``None`` for a data-free attack.
    :param utility: of the victim, where its lab and labelled test images are at hand.
    :param exposure: likewise, of the answers bought.
    :param theft: the clone on labelled test images.
    """

    victim: str
    attack: str
    choice: str | None
    queries: int
    images: int | None
    student: str
    recipe: Recipe
    seed: int
    utility: Utility | None
    exposure: Exposure | None
    theft: Theft | None

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def write_loot(
    clone: nn.Module,
    student: Student,
    loot: Loot,
    *,
    input_shape: tuple[int, ...],
    classes: int,
    output: Path,
    replace_existing: bool,
) -> None:
    """Write a directory with the clone and its report, whole or not at all.

    :param input_shape: of one input: channels, height, width.
    :param replace_existing: whether a directory that stands there may be replaced.
    :raises OutputExists: it stands there and may not.
    :raises UsageError: it cannot be written there.
    """
    import torch

    from edgeguard.export.loading import LoadRequest, load_model

    arch, arguments = factory_of(student, input_shape, classes)
    with staged_directory(output, replace_existing=replace_existing) as place:
        torch.save({name: value.cpu() for name, value in clone.state_dict().items()}, place / CLONE_WEIGHTS)
        loaded = load_model(LoadRequest(place / CLONE_WEIGHTS, arch, arguments, input_shape))
        (place / CLONE_ONNX).write_bytes(loaded.model.SerializeToString())
        report = {**loot.as_json(), "arch": arch, "arch_args": dict(arguments)}
        (place / REPORT).write_text(json.dumps(report, indent=2) + "\n", "utf-8")
