"""Peers around the float victims of a grid. Loads torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgeguard.attacks.baselines.box import knowledge_of_peer, peer_box
from edgeguard.attacks.baselines.protocol import PeerVictim
from edgeguard.attacks.baselines.registry import configure
from edgeguard.attacks.black_box import BlackBox
from edgeguard.attacks.evaluation.cache import Store
from edgeguard.attacks.evaluation.cell import RULES, Cell, identity
from edgeguard.attacks.evaluation.grid import DefenseSpec, VictimSpec
from edgeguard.attacks.images import labelled
from edgeguard.attacks.knowledge import Knowledge
from edgeguard.attacks.students.registry import factory_of
from edgeguard.digests import json_digest
from edgeguard.errors import UsageError
from edgeguard.export.loading import LoadRequest
from edgeguard.export.loading.pickled import load_pickle

__all__ = ["PeerBoxes", "peer_boxes"]

# Apart from whatever else is drawn with the seed of a cell.
_OWNER = 0x70656572


@dataclass(frozen=True, slots=True)
class PeerBoxes:
    """A peer to ask.

    :param apart: the same one with a past of its own, if it remembers what it was asked.
    """

    box: BlackBox
    knowledge: Knowledge
    apart: BlackBox | None


def peer_boxes(cell: Cell, bare: BlackBox, classes: int, store: Store) -> PeerBoxes:
    """The peer of a cell around its victim; further networks are trained here, or found in the store.

    :param bare: the undefended artifact, which says how images become inputs.
    :raises UsageError: the cell names no peer, its network is none of our students, or there are no images for the
        peer's own networks.
    :raises EdgeguardError: the weights or the images cannot be loaded.
    """
    if cell.defense.baseline is None:
        raise UsageError("names no baseline", where=cell.defense.name)
    peer = configure(cell.defense.baseline, dict(cell.defense.params))
    victim = _victim(cell.victim, cell.defense, bare, classes, store)
    # The owner's networks must not begin as the thief's of the same seed do.
    seed = int(np.random.default_rng([_OWNER, cell.seed]).integers(2**31))

    def box() -> BlackBox:
        return peer_box(peer, victim, bare.input_shape, bare.preprocess, seed)

    return PeerBoxes(box(), knowledge_of_peer(peer), box() if peer.remembers else None)


def _victim(victim: VictimSpec, defense: DefenseSpec, bare: BlackBox, classes: int, store: Store) -> PeerVictim:
    """The network in torch, and its owner's images: those that the defense names, or the validation set."""
    if victim.student is None or victim.input_shape is None:
        raise UsageError(
            "a peer takes the network as torch knows it, and that is in no such file",
            where=victim.name,
            fix="Name one of our students and the .pt of its weights",
        )
    arch, arguments = factory_of(victim.student, victim.input_shape, classes)
    network, _ = load_pickle(LoadRequest(victim.model.path, arch, arguments, victim.input_shape))
    source = defense.queries or victim.validation
    images, labels = (None, None) if source is None else labelled(source.path, bare)
    known = [RULES, identity(victim), None if source is None else identity(source)]

    def kept(key: str, drawn: nn.Module, train: Callable[[nn.Module], nn.Module]) -> nn.Module:
        def make(place: Path) -> None:
            torch.save(train(drawn).state_dict(), place)

        weights = store.entry("peer-networks", json_digest([known, key]), make)
        drawn.load_state_dict(torch.load(weights, weights_only=True))
        return drawn.eval()

    return PeerVictim(network.eval(), classes, images, labels, kept)
