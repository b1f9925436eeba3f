"""The peers there are. A new one is one file beside this one and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from edgeguard.attacks.baselines.adaptive_misinformation import AdaptiveMisinformation
from edgeguard.attacks.baselines.gradient_redirection import GradientRedirection
from edgeguard.attacks.baselines.mad import Mad, MadArgmax
from edgeguard.attacks.baselines.modelguard_s import ModelGuardS
from edgeguard.attacks.baselines.modelguard_w import ModelGuardW
from edgeguard.attacks.baselines.protocol import Peer
from edgeguard.defenses.registry import overridden
from edgeguard.errors import UsageError

__all__ = ["PEERS", "configure"]

PEERS: dict[str, type[Peer]] = {
    kind.name: cast(type[Peer], kind)
    for kind in (AdaptiveMisinformation, GradientRedirection, Mad, MadArgmax, ModelGuardS, ModelGuardW)
}


def configure(name: str, overrides: Mapping[str, str]) -> Peer:
    """A peer from what stands in a grid file.

    :param overrides: parameter name to its text, for example ``{"epsilon": "1.2"}``.
    :raises UsageError: there is no such peer or parameter, or a value does not parse, or lies out of range.
    """
    if name not in PEERS:
        raise UsageError(f"there is no baseline {name!r}", fix=f"Choose one of: {', '.join(PEERS)}")
    kind = cast(Any, PEERS[name])
    defaults: dict[str, Any] = {entry.name: entry.default for entry in fields(kind)}
    return cast(Peer, kind(**overridden(name, defaults, overrides)))
