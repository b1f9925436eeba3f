"""S4L: the answers as they are, and a student who also learns to tell how images were turned.

Self-supervised semi-supervised learning (Zhai et al., ICCV 2019), used against defenses by ModelGuard (Tang et al.,
USENIX Security 2024): what the images teach by themselves needs no answer.
"""

from __future__ import annotations

from edgeguard.attacks.readings.naive import believe
from edgeguard.attacks.strategy import Strategy

__all__ = ["S4L"]

S4L = Strategy(
    "s4l", "trains on the answers as they are, and on telling how images were turned", believe, objective="s4l"
)
