"""A peer as attacks meet it: something to ask, and what is known of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.attacks.baselines.protocol import Peer, PeerVictim
from edgeguard.attacks.black_box import BlackBox
from edgeguard.attacks.knowledge import Knowledge
from edgeguard.attacks.prior import posteriors_of
from edgeguard.preprocess import Preprocess

__all__ = ["knowledge_of_peer", "peer_box"]

Array = np.ndarray[Any, Any]


def peer_box(
    peer: Peer, victim: PeerVictim, input_shape: tuple[int, ...], preprocess: Preprocess | None, seed: int
) -> BlackBox:
    """A victim behind a peer. Further networks are trained here.

    :param input_shape: of one input, without the batch axis.
    :param seed: of further networks.
    :raises UsageError: the victim lacks what the peer needs.
    """
    from edgeguard.attacks.isolation import isolated

    answerer = peer.answerer(victim, seed)

    def answer(inputs: Array) -> Array:
        # Networks of one query are too small to be shared among threads, least of all on a busy machine.
        with isolated():
            return answerer(inputs)

    return BlackBox(peer.name, answer, input_shape, preprocess)


def knowledge_of_peer(peer: Peer) -> Knowledge:
    """What a thief knows of a peer: all but its further networks and what it was asked by others."""
    if peer.shadow(np.full((2, 2), 0.5), 0) is None:
        return Knowledge()

    def shadow(logits: Array, seed: int) -> Array:
        return np.asarray(peer.shadow(posteriors_of(logits), seed))

    return Knowledge(shadow)
