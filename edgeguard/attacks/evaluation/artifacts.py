"""The artifacts that are attacked, each exported once by what ``edgeguard export`` and ``edgeguard defend`` run.

The undefended network is exported from the victim's file. Each defense is then put behind the network in the lab of
that export, float or int8: the same file as one export with a defense would give, without quantizing again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edgeguard.artifact import LAB_FLOAT, LAB_INT8, open_artifact
from edgeguard.attacks.evaluation.cache import Store
from edgeguard.attacks.evaluation.cell import RULES, identity
from edgeguard.attacks.evaluation.grid import DefenseSpec, VictimSpec
from edgeguard.attacks.students.registry import factory_of
from edgeguard.calibration.observers import DEFAULT_OBSERVER
from edgeguard.defenses.registry import answers_from_table
from edgeguard.digests import json_digest
from edgeguard.export.defending import wish_of
from edgeguard.export.loading import LoadRequest
from edgeguard.export.pipeline import export
from edgeguard.export.prepare import leave_alone, prepare
from edgeguard.export.request import CalibrationChoice, DefenseChoice, ExportRequest, QuantizationChoice
from edgeguard.keys import MasterKey, write_key
from edgeguard.manifest import Manifest
from edgeguard.targets import find_target

__all__ = ["Exported", "defended", "owner_key", "undefended"]

_NAME = "model.edgeguard"
# Apart from all that a thief of the same seed draws: his own key must not happen to be the owner's.
_OWNER = 0x6B6579


@dataclass(frozen=True, slots=True)
class Exported:
    """An artifact in the cache.

    :param key: of its entry: the digest of what it was made from.
    """

    key: str
    path: Path

    @property
    def manifest(self) -> Manifest:
        """As written; every file is verified first."""
        return open_artifact(self.path).manifest


def undefended(victim: VictimSpec, store: Store, head: Literal["float", "int8"] = "float") -> Exported:
    """The victim's artifact without a defense.

    :param head: how logits leave an int8 network; a float one has float ones.
    :raises EdgeguardError: see :func:`edgeguard.export.pipeline.export`.
    """
    key = json_digest([RULES, identity(victim), head if victim.int8 else "float"])
    arch: str | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    if victim.student is not None and victim.input_shape is not None and victim.classes is not None:
        arch, arguments = factory_of(victim.student, victim.input_shape, victim.classes)

    def make(place: Path) -> None:
        load = LoadRequest(victim.model.path, arch, arguments, victim.input_shape)
        # Without refinements, whose progress must not change what a grid's earlier cells attacked.
        quantization = QuantizationChoice(head) if victim.int8 else None
        place.mkdir()
        export(_request(victim, load, place, quantization, None), _Silent(), prepare=prepare)

    return Exported(key, store.entry("artifacts", key, make) / _NAME)


def defended(victim: VictimSpec, defense: DefenseSpec, seed: int, store: Store) -> Exported:
    """The victim's artifact with one of edgeguard's defenses; for a defense without any, the undefended one.

    :param seed: decides the owner's key, if the defense draws from one; all seeds share the others.
    :raises EdgeguardError: see :func:`edgeguard.export.pipeline.export`.
    """
    name = defense.defense
    if name is None:
        return undefended(victim, store)
    suited: Literal["float", "int8"] = "int8" if answers_from_table(name) else "float"
    plain = undefended(victim, store, defense.head or suited)
    owner = owner_key(seed, store)
    with_key = _choice(name, defense, owner)
    wish = wish_of(with_key, plain.manifest.model.head.classes)
    keyed = wish.response.keyed or wish.score is not None
    key = json_digest([RULES, plain.key, identity(defense), seed if keyed else None])

    def make(place: Path) -> None:
        network = open_artifact(plain.path).lab_file(LAB_INT8 if victim.int8 else LAB_FLOAT)
        load = LoadRequest(network, input_shape=victim.input_shape, accepts="quantized")
        choice = with_key if keyed else _choice(name, defense, None)
        place.mkdir()
        export(_request(victim, load, place, None, choice), _Silent(), prepare=leave_alone)

    return Exported(key, store.entry("artifacts", key, make) / _NAME)


def owner_key(seed: int, store: Store) -> Path:
    """The file of the owner's key that belongs to a seed."""
    key = MasterKey(np.random.default_rng([_OWNER, seed]).bytes(32))
    return store.entry("keys", json_digest([RULES, _OWNER, seed]), lambda place: write_key(place, key))


def _choice(name: str, defense: DefenseSpec, key: Path | None) -> DefenseChoice:
    queries = None if defense.queries is None else defense.queries.path
    return DefenseChoice(name, defense.params, "graph", defense.gate, defense.budget, key, queries)


def _request(
    victim: VictimSpec,
    load: LoadRequest,
    place: Path,
    quantization: QuantizationChoice | None,
    defense: DefenseChoice | None,
) -> ExportRequest:
    images = None if victim.calibration is None else victim.calibration.path
    return ExportRequest(
        load=load,
        output=place / _NAME,
        target=find_target(victim.target),
        preprocess=victim.preprocess,
        calibration=CalibrationChoice(images, DEFAULT_OBSERVER, victim.calibration_limit),
        quantization=quantization,
        defense=defense,
        validation=None if victim.validation is None else victim.validation.path,
    )


class _Silent:
    """A reporter for workers: what an export warns of lands in its manifest."""

    def step(self, text: str) -> None:
        """Nobody looks at a worker's stages."""

    def warn(self, text: str) -> None:
        """It is in the manifest."""

    def progress(self, done: int, total: int) -> None:
        """Nobody looks at a worker's stages."""
