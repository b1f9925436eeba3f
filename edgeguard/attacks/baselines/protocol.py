"""What all peers have, and what they stand around."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from edgeguard.errors import BadData

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Answerer", "Kept", "Peer", "PeerVictim", "keep_nothing"]

Array = np.ndarray[Any, Any]
# From finished inputs, float32 [n, *input_shape], to answers, float32 [n, classes]. It may remember what it was asked.
Answerer = Callable[[Array], Array]
# From what tells one further network of a victim from another, a new network and what trains it, to the trained one.
Kept = Callable[[str, "nn.Module", Callable[["nn.Module"], "nn.Module"]], "nn.Module"]


def keep_nothing(key: str, drawn: nn.Module, train: Callable[[nn.Module], nn.Module]) -> nn.Module:  # noqa: ARG001
    """Train it now, as none is kept."""
    return train(drawn)


@dataclass(frozen=True, eq=False, slots=True)
class PeerVictim:
    """The network that a peer defends, and what its owner has beside it.

    :param network: in evaluation mode, on the CPU, from inputs to logits ``[n, classes]``. Peers leave it as it is.
    :param images: finished inputs that the owner trains further networks on, float32 ``[n, channels, height, width]``;
        ``None`` if he has none.
    :param labels: their classes, int64 ``[n]``; ``None`` for what the network says of them.
    :param kept: where further networks of this victim are found again, if somebody keeps them.
    """

    network: nn.Module
    classes: int
    images: Array | None = None
    labels: Array | None = None
    kept: Kept = keep_nothing

    def __post_init__(self) -> None:
        """Refuse labels without images.

        :raises BadData: the labels are not one for each image.
        """
        if self.labels is not None and (self.images is None or self.labels.shape != self.images.shape[:1]):
            raise BadData(f"{len(self.labels)} labels that belong to no images", where="peer's victim")


class Peer(Protocol):
    """A defense of somebody else's: a frozen dataclass whose fields are its parameters.

    Answers are finite, non-negative and sum to 1.

    :cvar source: paper and equation.
    :cvar keeps_argmax: whether the argmax of every answer is the network's.
    :cvar remembers: whether an answer hangs on what was asked before.
    :cvar version: raised whenever the same parameters give other answers than before.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    summary: ClassVar[str]
    source: ClassVar[str]
    keeps_argmax: ClassVar[bool]
    remembers: ClassVar[bool]

    def answerer(self, victim: PeerVictim, seed: int) -> Answerer:
        """The defended network, as its API answers.

        :param seed: of further networks.
        :raises UsageError: the victim lacks what the peer needs.
        """

    def shadow(self, posteriors: Array, seed: int) -> Array | None:
        """What a thief takes for the answers, who knows the peer and its parameters but none of its networks.

        :param posteriors: of his own making, ``[n, classes]``.
        :returns: ``[n, classes]``; ``None`` if he can imagine nothing.
        """
