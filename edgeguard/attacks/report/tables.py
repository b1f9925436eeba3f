"""The tables of a report, as text: Markdown and HTML show the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeguard.attacks.report.curves import Areas
from edgeguard.attacks.report.estimates import Estimate
from edgeguard.attacks.report.matched import Match
from edgeguard.attacks.report.paired import Difference
from edgeguard.attacks.report.summary import Group, Panel, Worst
from edgeguard.attacks.report.utility import ExposureRow, UtilityRow

__all__ = [
    "Table",
    "area_table",
    "attack_table",
    "cost_table",
    "difference_table",
    "exposure_table",
    "matched_table",
    "utility_table",
    "worst_table",
]

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as plain text, not yet escaped for any format.

    :param texts: the first so many columns hold words; the others numbers.
    """

    header: Row
    rows: tuple[Row, ...]
    texts: int = 1


def worst_table(panel: Panel) -> Table:
    """The worst case over attackers at each utility point, by loss."""
    ordered = sorted(panel.worst, key=lambda worst: worst.loss)
    header = ("defense", "worst attacker", "benign loss, pp", "clone accuracy, %", "95 % interval", "upper end, %")
    more = ("against the floor, pp", "seeds", "best at its loss", "attackers missing")
    rows = tuple(
        (
            worst.defense,
            worst.group.attack,
            f"{worst.loss:.2f}",
            *_interval(worst.accuracy.scaled(100), 1),
            "no interval" if worst.accuracy.high is None else f"{100 * worst.accuracy.high:.1f}",
            "-" if panel.floor is None else f"{100 * (worst.accuracy.mean - panel.floor.accuracy.mean):+.1f}",
            _seeds(worst.group, panel),
            "" if _dominated(worst, ordered) else "yes",
            ", ".join(worst.missing) or "none",
        )
        for worst in ordered
    )
    return Table(header + more, rows, 2)


def area_table(areas: Areas) -> Table:
    """Mean clone error over the range of loss that the curves share."""
    header = ("family", "settings", "mean clone error, %", "95 % interval", "area, % x pp", "fewer attackers in")
    rows = tuple(
        (
            area.family,
            ", ".join(area.settings),
            *_interval(area.error, 1),
            f"{area.area:.1f}",
            ", ".join(area.incomplete) or "none",
        )
        for area in areas.areas
    )
    return Table(header, rows, 2)


def matched_table(matches: Sequence[Match]) -> Table:
    """Defenses with a budget against peers at the same loss."""
    header = ("defense", "peer", "verdict", "benign loss, pp", "clone accuracy, %", "upper end, %")
    more = ("peer's, %", "benign L1 against the peer's", "beats at a larger loss too", "attackers missing")
    return Table(header + more, tuple(map(_match, matches)), 3)


def attack_table(panel: Panel) -> Table:
    """Every attack on every defense."""
    header = ("defense", "attack", "clone accuracy, %", "95 % interval", "fidelity, %", "95 % interval", "seeds")
    rows = tuple(
        (
            group.defense,
            group.attack,
            *_interval(group.accuracy.scaled(100), 1),
            *_interval(group.fidelity.scaled(100), 1),
            _seeds(group, panel),
        )
        for group in panel.groups
    )
    return Table(header, rows, 2)


def utility_table(rows: Sequence[UtilityRow]) -> Table:
    """What each defense costs honest users."""
    header = ("victim", "defense", "accuracy, %", "benign loss, pp", "95 % interval", "argmax changed, %")
    more = ("benign L1", "ECE, %", "ECE undefended, %", "seeds")
    return Table(
        header + more,
        tuple(
            (
                row.victim,
                row.defense,
                f"{100 * row.accuracy.mean:.2f}",
                *_interval(row.loss, 2),
                f"{100 * row.flips.mean:.2f}",
                f"{row.l1.mean:.3f}",
                f"{100 * row.ece.mean:.1f}",
                f"{100 * row.ece_undefended.mean:.1f}",
                str(row.loss.count),
            )
            for row in rows
        ),
        2,
    )


def exposure_table(rows: Sequence[ExposureRow]) -> Table:
    """What the answers to each attacker's queries give away."""
    header = ("victim", "defense", "pool", "attack", "L1 of answers", "L1 after reading", "argmax changed, %")
    more = ("kept, %", "different answers", "bits a query", "seeds")
    return Table(
        header + more,
        tuple(
            (
                row.victim,
                row.defense,
                row.pool,
                row.attack,
                f"{row.l1.mean:.3f}",
                f"{row.l1_read.mean:.3f}",
                f"{100 * row.flips.mean:.1f}",
                f"{100 * row.kept.mean:.1f}",
                f"{row.distinct.mean:,.0f}",
                f"{row.bits.mean:.2f}",
                str(row.bits.count),
            )
            for row in rows
        ),
        4,
    )


def difference_table(found: Sequence[Difference]) -> Table:
    """What int8 changes, paired by seed."""
    header = ("int8 less float", "defense", "pool", "attack", "student", "clone accuracy, pp", "95 % interval")
    more = ("fidelity, pp", "95 % interval", "seeds", "accuracy differs")
    return Table(
        header + more,
        tuple(
            (
                f"{each.int8_victim} less {each.float_victim}",
                each.defense,
                each.pool,
                each.attack,
                each.student,
                *_interval(each.accuracy, 2, sign="+"),
                *_interval(each.fidelity, 2, sign="+"),
                str(each.accuracy.count),
                _differs(each.accuracy),
            )
            for each in found
        ),
        5,
    )


def cost_table(groups: Sequence[Group]) -> Table:
    """What each attack costs the thief: means over defenses, students and seeds."""
    header = ("victim", "pool", "attack", "query budget", "seconds a cell", "cells")
    keys = dict.fromkeys((group.victim, group.pool, group.attack) for group in groups)
    rows = []
    for key in keys:
        mine = [group for group in groups if (group.victim, group.pool, group.attack) == key]
        cells = sum(len(group.seeds) for group in mine)

        def mean(read: Callable[[Group], float], mine: Sequence[Group] = mine, cells: int = cells) -> float:
            return sum(len(group.seeds) * read(group) for group in mine) / cells

        queries = mean(lambda group: group.queries)
        rows.append((*key, f"{queries:,.0f}", f"{mean(lambda group: group.seconds):,.1f}", str(cells)))
    return Table(header, tuple(rows), 3)


def _match(match: Match) -> Row:
    ours, peer, l1 = match.ours, match.peer_accuracy, match.peer_l1
    return (
        ours.defense,
        match.peer,
        match.outcome,
        f"{ours.loss:.2f}",
        f"{100 * ours.accuracy.mean:.1f}",
        "no interval" if ours.accuracy.high is None else f"{100 * ours.accuracy.high:.1f}",
        "-" if peer is None else f"{100 * peer:.1f}",
        "-" if l1 is None else f"{ours.l1:.3f} against {l1:.3f}",
        ", ".join(f"{worst.defense} ({worst.loss:.2f} pp)" for worst in match.also) or "none",
        ", ".join(match.missing) or "none",
    )


def _dominated(worst: Worst, others: Sequence[Worst]) -> bool:
    """Whether another defense costs no more and lets clones be worse."""
    return any(other.loss <= worst.loss and other.accuracy.mean < worst.accuracy.mean for other in others)


def _seeds(group: Group, panel: Panel) -> str:
    count, every = len(group.seeds), len(panel.seeds)
    return str(count) if count == every else f"{count} of {every}"


def _differs(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return "no interval"
    return "no" if found.low <= 0 <= found.high else "yes"


def _interval(found: Estimate, digits: int, sign: str = "") -> tuple[str, str]:
    form = f"{sign}.{digits}f"
    if found.low is None or found.high is None:
        return f"{found.mean:{form}}", "no interval"
    return f"{found.mean:{form}}", f"{found.low:{form}} to {found.high:{form}}"
