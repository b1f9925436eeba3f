"""What each defense costs honest users, and what its answers give away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, TypeVar

from edgeguard.attacks.report.estimates import Estimate, estimate
from edgeguard.attacks.report.names import order

if TYPE_CHECKING:
    from edgeguard.attacks.evaluation.records import CellRecord
    from edgeguard.attacks.metrics import Exposure, Utility

__all__ = ["ExposureRow", "UtilityRow", "exposures", "utilities"]

Measured = TypeVar("Measured")


@dataclass(frozen=True, slots=True)
class UtilityRow:
    """Of one defended victim, on benign test images. Each seed counts once, however many attacks it saw.

    :param undefended: accuracy of the same network without the defense, a share; ``accuracy`` is with it.
    :param loss: in percentage points.
    :param flips: a share.
    :param l1: mean L1 distance between answers and posteriors.
    :param ece: expected calibration error, a share; ``ece_undefended`` is that of the posteriors.
    """

    victim: str
    defense: str
    undefended: Estimate
    accuracy: Estimate
    loss: Estimate
    flips: Estimate
    l1: Estimate
    ece: Estimate
    ece_undefended: Estimate


@dataclass(frozen=True, slots=True)
class ExposureRow:
    """Of the answers to one attacker's queries; see :class:`~edgeguard.attacks.metrics.Exposure`.

    Each seed counts once, however many students learned from its answers.
    """

    victim: str
    defense: str
    pool: str
    attack: str
    l1: Estimate
    l1_read: Estimate
    flips: Estimate
    kept: Estimate
    distinct: Estimate
    bits: Estimate


def utilities(records: Sequence[CellRecord]) -> list[UtilityRow]:
    """One row a defended victim."""
    found: dict[tuple[str, str], dict[int, list[Utility]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        found[record.victim, record.defense][record.seed].append(record.utility)

    def row(victim: str, defense: str) -> UtilityRow:
        def over(read: Callable[[Utility], float]) -> Estimate:
            return _over(found[victim, defense], read)

        return UtilityRow(
            victim,
            defense,
            undefended=over(lambda utility: utility.undefended),
            accuracy=over(lambda utility: utility.accuracy),
            loss=over(lambda utility: utility.loss),
            flips=over(lambda utility: utility.flips),
            l1=over(lambda utility: utility.l1),
            ece=over(lambda utility: utility.ece),
            ece_undefended=over(lambda utility: utility.ece_undefended),
        )

    return [row(*key) for key in sorted(found, key=lambda key: (key[0], order(key[1])))]


def exposures(records: Sequence[CellRecord]) -> list[ExposureRow]:
    """One row a defended victim, pool and attack, of the attacks that have a transfer set."""
    found: dict[tuple[str, str, str, str], dict[int, list[Exposure]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.exposure is not None:
            found[record.victim, record.defense, record.pool, record.attack][record.seed].append(record.exposure)

    def row(victim: str, defense: str, pool: str, attack: str) -> ExposureRow:
        def over(read: Callable[[Exposure], float]) -> Estimate:
            return _over(found[victim, defense, pool, attack], read)

        return ExposureRow(
            victim,
            defense,
            pool,
            attack,
            l1=over(lambda exposure: exposure.l1),
            l1_read=over(lambda exposure: exposure.l1_read),
            flips=over(lambda exposure: exposure.flips),
            kept=over(lambda exposure: exposure.kept),
            distinct=over(lambda exposure: exposure.distinct),
            bits=over(lambda exposure: exposure.bits),
        )

    return [row(*key) for key in sorted(found, key=lambda key: (key[0], key[2], order(key[1]), key[3]))]


def _over(seeds: dict[int, list[Measured]], read: Callable[[Measured], float]) -> Estimate:
    return estimate([fmean(map(read, measured)) for measured in seeds.values()])
