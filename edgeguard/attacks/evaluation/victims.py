"""Whom a cell asks: the deployed artifact through its runtime, or a peer around the float network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgeguard.attacks.black_box import BlackBox, artifact_box
from edgeguard.attacks.evaluation.artifacts import defended, undefended
from edgeguard.attacks.evaluation.cache import Store
from edgeguard.attacks.evaluation.cell import RULES, Cell, identity
from edgeguard.attacks.knowledge import NOTHING, Knowledge, knowledge_of
from edgeguard.attacks.oracle import Oracle
from edgeguard.defenses.record import recorded_defense
from edgeguard.digests import array_digest, json_digest

__all__ = ["Respondent", "plain", "respondent"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Respondent:
    """Somebody who answers.

    :param key: digest of what it was made from.
    :param box: what can be asked.
    :param classes: of its answers.
    :param knowledge: what a thief knows of its defense.
    :param apart: the same one again for its owner, if what it answers hangs on what it was asked: his questions must
        not be part of its past.
    """

    key: str
    box: BlackBox
    classes: int
    knowledge: Knowledge = NOTHING
    apart: BlackBox | None = None

    def answers(self, inputs: Array, store: Store) -> Array:
        """Its answers as its owner sees them, float32 ``[n, classes]``: no thief's queries, and remembered."""

        def make(place: Path) -> None:
            with place.open("wb") as stream:
                np.save(stream, Oracle(self.apart or self.box).ask(inputs))

        key = json_digest([self.key, array_digest(inputs)])
        return cast(Array, np.load(store.entry("answers", key, make)))


def respondent(cell: Cell, store: Store) -> Respondent:
    """Whom the thief of a cell asks.

    :raises UsageError: it is a peer that there is not.
    :raises EdgeguardError: it cannot be exported, or not loaded.
    """
    if cell.defense.baseline is not None:
        return _peer(cell, store)
    exported = defended(cell.victim, cell.defense, cell.seed, store)
    manifest = exported.manifest
    knowledge = NOTHING if manifest.defense is None else knowledge_of(recorded_defense(manifest.defense))
    return Respondent(exported.key, artifact_box(exported.path), manifest.model.head.classes, knowledge)


def plain(cell: Cell, store: Store) -> Respondent:
    """The same victim without a defense, which only its owner can ask.

    :raises EdgeguardError: it cannot be exported, or not loaded.
    """
    exported = undefended(cell.victim, store)
    return Respondent(exported.key, artifact_box(exported.path), exported.manifest.model.head.classes)


def _peer(cell: Cell, store: Store) -> Respondent:
    from edgeguard.attacks.evaluation.peers import peer_boxes

    bare = plain(cell, store)
    found = peer_boxes(cell, bare.box, bare.classes, store)
    key = json_digest([RULES, bare.key, identity(cell.defense), identity(cell.victim), cell.seed])
    return Respondent(key, found.box, bare.classes, found.knowledge, found.apart)
