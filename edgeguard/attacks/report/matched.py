"""Defenses with a budget against what peers achieve at the same loss of benign accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from edgeguard.attacks.report.curves import families, value_at
from edgeguard.attacks.report.names import PEERS, budget
from edgeguard.attacks.report.summary import Panel, Worst

__all__ = ["Match", "Outcome", "matches"]

Outcome = Literal["beats", "lower mean only", "does not beat", "no interval", "no peer point there"]


@dataclass(frozen=True, slots=True)
class Match:
    """One defense with a budget against one family of peers.

    :param peer_accuracy: the peer's worst-case clone accuracy at our loss, a share; ``None`` where it has no point.
    :param peer_l1: the L1 distance of its answers to benign images there.
    :param outcome: ``beats`` says that the upper end of our interval is at most the peer's mean.
    :param also: settings of the peer that cost at least as much and let clones be at least as good as our upper end.
    :param missing: attackers that one side faced and the other did not.
    """

    ours: Worst
    peer: str
    peer_accuracy: float | None
    peer_l1: float | None
    outcome: Outcome
    also: tuple[Worst, ...]
    missing: tuple[str, ...]


def matches(panel: Panel) -> list[Match]:
    """Each defense whose setting names a budget, against each family of peers that the panel has."""
    found = families(panel)
    return [
        _match(panel, worst, peer, found[peer])
        for worst in panel.worst
        if budget(worst.defense) is not None
        for peer in PEERS
        if peer in found
    ]


def _match(panel: Panel, ours: Worst, peer: str, settings: Sequence[Worst]) -> Match:
    points = [worst for worst in (panel.undefended, *settings) if worst is not None]

    def there(height: Callable[[Worst], float]) -> float | None:
        return value_at([(worst.loss, height(worst)) for worst in points], ours.loss)

    # Of two settings at one loss the owner would take the one whose clones are worse.
    error = there(lambda worst: 1 - worst.accuracy.mean)
    accuracy = None if error is None else 1 - error
    upper = ours.accuracy.high
    beaten = [worst for worst in settings if upper is not None and worst.loss >= ours.loss]
    return Match(
        ours,
        peer,
        accuracy,
        there(lambda worst: worst.l1),
        _outcome(ours, accuracy),
        tuple(worst for worst in beaten if upper is not None and upper <= worst.accuracy.mean),
        tuple(sorted({attack for worst in (ours, *settings) for attack in worst.missing})),
    )


def _outcome(ours: Worst, peer: float | None) -> Outcome:
    mine = ours.accuracy
    if peer is None:
        return "no peer point there"
    if mine.mean > peer:
        return "does not beat"
    if mine.high is None:
        return "no interval"
    return "beats" if mine.high <= peer else "lower mean only"
