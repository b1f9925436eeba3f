"""What a grid of cells says: means over seeds, and the worst that any attacker did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from edgeguard.attacks.report.estimates import Estimate, estimate
from edgeguard.attacks.report.names import FLOOR, NO_POOL, UNDEFENDED, order
from edgeguard.attacks.report.utility import UtilityRow, utilities
from edgeguard.errors import UsageError

if TYPE_CHECKING:
    from edgeguard.attacks.evaluation.records import CellRecord

__all__ = ["Group", "Panel", "Worst", "check_distinct", "groups", "panels"]


@dataclass(frozen=True, slots=True)
class Group:
    """One attack on one defended victim, over its seeds.

    :param accuracies: of the clones, a share, in the order of ``seeds``; ``fidelities`` likewise.
    :param queries: mean over seeds.
    :param seconds: mean over seeds.
    :param bits: mean entropy of the answers, in bits a query; ``None`` for attacks without a transfer set.
    """

    victim: str
    defense: str
    pool: str
    attack: str
    student: str
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    fidelities: tuple[float, ...]
    queries: float
    seconds: float
    bits: float | None

    @property
    def accuracy(self) -> Estimate:
        """Of the clones, a share."""
        return estimate(self.accuracies)

    @property
    def fidelity(self) -> Estimate:
        """Share of test images to which the clones answer as the deployed victim does."""
        return estimate(self.fidelities)


@dataclass(frozen=True, slots=True)
class Worst:
    """The attacker with the highest mean clone accuracy against one defended victim.

    Its interval is that of this one attacker; that it was picked among several makes its mean a little too high, which
    errs on the thief's side.

    :param group: what that attacker did.
    :param attackers: who attacked.
    :param missing: who attacked another defense of the panel, but not this one.
    :param loss: benign accuracy that the defense costs, in percentage points, mean over seeds.
    :param l1: mean L1 distance between answers and posteriors on benign images, mean over seeds.
    """

    defense: str
    group: Group
    attackers: tuple[str, ...]
    missing: tuple[str, ...]
    loss: float
    l1: float

    @property
    def accuracy(self) -> Estimate:
        """Of the clones of this attacker, a share."""
        return self.group.accuracy


@dataclass(frozen=True, slots=True)
class Panel:
    """One victim, one pool of queries and one student: what may be compared.

    :param worst: per defense, in the order of :func:`~edgeguard.attacks.report.names.order`.
    :param seeds: that any cell of the panel has.
    """

    victim: str
    pool: str
    student: str
    groups: tuple[Group, ...]
    worst: tuple[Worst, ...]
    attackers: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def title(self) -> str:
        """Names the three."""
        pool = "made by the attack" if self.pool == NO_POOL else f"from {self.pool}"
        return f"{self.victim}, queries {pool}, student {self.student}"

    @property
    def undefended(self) -> Worst | None:
        """The worst case without a defense."""
        return self.of(UNDEFENDED)

    @property
    def floor(self) -> Worst | None:
        """The worst case of label-only answers, which cost no benign accuracy."""
        return self.of(FLOOR)

    def of(self, defense: str) -> Worst | None:
        """The worst case of one defense, or ``None`` where it was not attacked."""
        return next((worst for worst in self.worst if worst.defense == defense), None)


def check_distinct(records: Sequence[CellRecord]) -> None:
    """Refuse records that a mean over seeds would mix up.

    :raises UsageError: there are none, or two measured the same cell: they come from different grids.
    """
    if not records:
        raise UsageError("there are no cells to report", fix="Run edgeguard evaluate first")
    seen: dict[tuple[str, str, str, str, str, int], CellRecord] = {}
    for record in records:
        key = (record.victim, record.defense, record.pool, record.attack, record.student, record.seed)
        if key in seen:
            raise UsageError(
                f"two cells are {', '.join(map(str, key[:5]))}, seed {record.seed}",
                where=f"{seen[key].grid} ({seen[key].digest[:12]}) and {record.grid} ({record.digest[:12]})",
                fix="Report each grid into a directory of its own",
            )
        seen[key] = record


def groups(records: Sequence[CellRecord]) -> list[Group]:
    """Cells that differ by their seed only, together, in a stable order."""
    found: dict[tuple[str, str, str, str, str], list[CellRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.seed):
        found[record.victim, record.defense, record.pool, record.attack, record.student].append(record)
    made = [_group(cells) for cells in found.values()]
    return sorted(made, key=_place)


def panels(records: Sequence[CellRecord]) -> list[Panel]:
    """Everything that may be compared, in a stable order."""
    costs = {(row.victim, row.defense): row for row in utilities(records)}
    found: dict[tuple[str, str, str], list[Group]] = defaultdict(list)
    for group in groups(records):
        found[group.victim, group.pool, group.student].append(group)
    return [_panel(members, costs) for members in found.values()]


def _place(group: Group) -> tuple[object, ...]:
    # Attacks that make their own images come after those with a pool.
    return group.victim, group.pool == NO_POOL, group.pool, group.student, order(group.defense), group.attack


def _group(cells: Sequence[CellRecord]) -> Group:
    first = cells[0]
    bits = [cell.exposure.bits for cell in cells if cell.exposure is not None]
    return Group(
        first.victim,
        first.defense,
        first.pool,
        first.attack,
        first.student,
        seeds=tuple(cell.seed for cell in cells),
        accuracies=tuple(cell.theft.accuracy for cell in cells),
        fidelities=tuple(cell.theft.fidelity for cell in cells),
        queries=fmean(cell.queries for cell in cells),
        seconds=fmean(cell.seconds for cell in cells),
        bits=fmean(bits) if bits else None,
    )


def _panel(members: Sequence[Group], costs: dict[tuple[str, str], UtilityRow]) -> Panel:
    first = members[0]
    attackers = tuple(sorted({group.attack for group in members}))
    worst = []
    for defense in sorted({group.defense for group in members}, key=order):
        against = [group for group in members if group.defense == defense]
        here = tuple(group.attack for group in against)
        cost = costs[first.victim, defense]
        worst.append(
            Worst(
                defense,
                max(against, key=lambda group: group.accuracy.mean),
                here,
                tuple(attack for attack in attackers if attack not in here),
                # Equal losses must be equal: they are differences of shares, and means.
                loss=round(cost.loss.mean, 9),
                l1=cost.l1.mean,
            )
        )
    seeds = tuple(sorted({seed for group in members for seed in group.seeds}))
    return Panel(first.victim, first.pool, first.student, tuple(members), tuple(worst), attackers, seeds)
