"""The artifacts that the suite sends to a device: small ones of every kind, and the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeguard.artifact import Artifact, open_artifact
from edgeguard.defenses.defense import Defense
from edgeguard.defenses.head import Grid
from edgeguard.defenses.record import recorded_defense
from edgeguard.defenses.registry import DEFENSES
from edgeguard.runtimes.goldens import Goldens, read_goldens

__all__ = ["NAMES", "Subject", "make_subjects"]

# Per defense one in the graph and one on the host; one on the host that decides on integer logits; an undefended one.
# In TFLite one in the graph per defense and an undefended one: on the host nothing is different.
_INTEGER = "dcp-host-int8"
NAMES = (
    *("undefended", _INTEGER, "tflite-undefended", "tflite-host"),
    *(f"{name}-{where}" for name in sorted(DEFENSES) for where in ("graph", "host")),
    *(f"tflite-{name}" for name in sorted(DEFENSES)),
)


@dataclass(frozen=True)
class Subject:
    """An artifact and what is expected of it.

    :param opened: on this machine.
    """

    opened: Artifact

    @property
    def goldens(self) -> Goldens:
        """Its golden inputs and answers."""
        manifest = self.opened.manifest
        return read_goldens(self.opened.golden_path, manifest.model.input_shape, manifest.classes)

    @property
    def defense(self) -> Defense | None:
        """Its defense."""
        record = self.opened.manifest.defense
        return None if record is None else recorded_defense(record)


def make_subjects(directory: Path, own: Sequence[Path]) -> dict[str, Subject]:
    """Make those of :data:`NAMES` and open the user's own, called by their file names."""
    from tests.artifacts import make_artifact
    from tests.defenses.fitted import GRID, response
    from tests.tflite_artifacts import LOGITS_GRID, make_tflite_artifact

    made = {
        "undefended": make_artifact(directory, name="undefended", defense=None),
        _INTEGER: make_artifact(directory, name=_INTEGER, placement="host", head="int8"),
    }
    for name in sorted(DEFENSES):
        defense = Defense(response(name, 10), grid=GRID)
        made[f"{name}-graph"] = make_artifact(directory, name=f"{name}-graph", defense=defense)
        made[f"{name}-host"] = make_artifact(directory, name=f"{name}-host", defense=defense, placement="host")
    light = "tflite-undefended"
    made[light] = make_tflite_artifact(directory, name=light, defense=None)
    made["tflite-host"] = make_tflite_artifact(directory, name="tflite-host")
    scale, zero = LOGITS_GRID
    lattice = Grid(float(np.float32(scale)), zero)
    for name in sorted(DEFENSES):
        defense = Defense(response(name, 10), grid=lattice)
        light = f"tflite-{name}"
        made[light] = make_tflite_artifact(directory, name=light, defense=defense, placement="graph")
    found = {path.name: path for path in own}
    return {name: Subject(open_artifact(path)) for name, path in {**made, **found}.items()}
