"""What a report says, in order, before it becomes HTML or Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeguard.attacks.report.curves import areas
from edgeguard.attacks.report.matched import matches
from edgeguard.attacks.report.names import FLOOR, PEERS, UNDEFENDED
from edgeguard.attacks.report.paired import differences, spread
from edgeguard.attacks.report.provenance import Named, provenance
from edgeguard.attacks.report.summary import Panel, groups, panels
from edgeguard.attacks.report.tables import (
    Table,
    area_table,
    attack_table,
    cost_table,
    difference_table,
    exposure_table,
    matched_table,
    utility_table,
    worst_table,
)
from edgeguard.attacks.report.utility import exposures, utilities

if TYPE_CHECKING:
    from edgeguard.attacks.evaluation.records import CellRecord

__all__ = ["Block", "Heading", "Plots", "Section", "sections"]


@dataclass(frozen=True, slots=True)
class Heading:
    """Of a part of a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Plots:
    """Where the plots of a panel stand; Markdown has none."""

    panel: Panel


# Text is a paragraph, not yet escaped.
Block = str | Heading | Plots | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report.

    :param name: short, for links within the file.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]


def sections(records: Sequence[CellRecord], expected: Sequence[Named] = ()) -> list[Section]:
    """Everything, in order.

    :param records: at least one; no two of the same cell.
    :param expected: cells of the whole grid, to name those that are missing.
    """
    found = panels(records)
    every = groups(records)
    return [
        Section("headline", "Headline: the worst case over attackers", tuple(_headline(found))),
        Section("threat", "What was attacked, and by whom", tuple(_threat(found))),
        Section("plots", "Plots", tuple(block for panel in found for block in (Heading(panel.title), Plots(panel)))),
        Section("matched", "Against peers at the same loss", tuple(_matched(found))),
        Section("attacks", "Every attack", tuple(_attacks(found))),
        Section("utility", "What honest users lose", (_UTILITY, utility_table(utilities(records)))),
        Section("exposure", "What the answers give away", tuple(_exposure(records))),
        Section("int8", "Float against int8", tuple(_differences(records))),
        Section("cost", "What the attacks cost", (_COST, cost_table(every))),
        Section("provenance", "Where the figures come from", tuple(provenance(records, expected))),
    ]


_WORST = (
    "For each defense, the attacker with the highest mean clone accuracy over seeds. The interval is that attacker's: "
    "two-sided, 95 %, Student's t over seeds. That it was picked among several makes its mean a little too high, which "
    "errs on the thief's side. Low is good for the owner. No defense that keeps the argmax can be below the floor "
    f"(the worst case of {FLOOR}), but for chance. 'Best at its loss' marks defenses that no other one beats at an "
    "equal or smaller loss."
)
_AREA = (
    "Where a family has several settings, the mean clone error under its curve follows, in percent of "
    "test images. A curve starts at the undefended victim and is linear between settings. High is good for the owner."
)
_UTILITY = (
    "On test images, mean over seeds, each counted once. ECE is the expected calibration error; L1 is the distance "
    "between answers and posteriors, at most 2. A negative loss means that the defended answers were right more often."
)
_COST = (
    "Means over defenses, students and seeds. Seconds are those of whole cells on the machines named below, where "
    "other cells may have run at the same time: an order of magnitude, no benchmark."
)


def _headline(found: Sequence[Panel]) -> list[Block]:
    blocks: list[Block] = [_WORST, _AREA]
    for panel in found:
        blocks += [Heading(panel.title), *_absent(panel), worst_table(panel), *_areas(panel)]
    return blocks


def _absent(panel: Panel) -> list[str]:
    """What the panel lacks, so that nobody looks for it in vain."""
    said = []
    if panel.undefended is None:
        said.append(f"No cell is named {UNDEFENDED}: there is no undefended clone to compare with, and no curve.")
    if panel.floor is None:
        said.append(f"No cell is named {FLOOR}: the label-only floor is unknown.")
    if len(panel.seeds) == 1:
        said.append(f"There is one seed ({panel.seeds[0]}): no interval, and no verdict that needs one.")
    few = [worst.defense for worst in panel.worst if worst.missing]
    if few:
        said.append(f"Fewer attackers than others had: {', '.join(few)}. Their worst case may be too low.")
    return said


def _areas(panel: Panel) -> list[Block]:
    found = areas(panel)
    if found is None:
        return []
    without = "; ".join(f"{name}: {reason}" for name, reason in found.without)
    aside = [f"Without a curve: {without}."] if without else []
    if not found.areas:
        return [*aside]
    reach = f"Range: 0 to {found.reach:.2f} pp of benign loss, where {found.limited_by} ends; all curves share it."
    return [reach, *aside, area_table(found)]


def _threat(found: Sequence[Panel]) -> list[Block]:
    listed = [f"{panel.title}: {', '.join(panel.attackers)}." for panel in found]
    return [
        "What is protected is the prediction API: a thief sends images and sees answers, and knows the defense and its "
        "parameters but not the key. Whoever can read the file can cut the defense off.",
        "Attackers, by victim, pool and student:",
        *listed,
    ]


def _matched(found: Sequence[Panel]) -> list[Block]:
    blocks: list[Block] = [
        "Each defense with a budget (a setting in pp) against the families "
        f"{', '.join(PEERS)}, whose curve is read at its loss. 'beats': the upper end of its interval is at most the "
        "peer's mean. The last columns name settings of the peer that cost at least as much and still let clones be at "
        "least as good as that upper end, and attackers that were not run on both sides."
    ]
    for panel in found:
        table = matched_table(matches(panel))
        if table.rows:
            blocks += [Heading(panel.title), table]
    return blocks if len(blocks) > 1 else ["No defense with a budget stands beside a peer."]


def _attacks(found: Sequence[Panel]) -> list[Block]:
    blocks: list[Block] = [
        "Clone accuracy and fidelity (share of test images answered as the deployed victim does), mean over seeds."
    ]
    for panel in found:
        blocks += [Heading(panel.title), attack_table(panel)]
    return blocks


def _exposure(records: Sequence[CellRecord]) -> list[Block]:
    table = exposure_table(exposures(records))
    if not table.rows:
        return ["No attack had a transfer set."]
    return [
        "On the thief's queries, mean over seeds. L1 after reading is what remains after the thief made the best of "
        "the answers. Bits are the entropy of the answers: with n of them at most log2(n), so that answers which never "
        "repeat reach that bound and tell no more than that.",
        table,
    ]


def _differences(records: Sequence[CellRecord]) -> list[Block]:
    found = differences(groups(records))
    if not found:
        return ["No victim was attacked both as float and as int8."]
    over = spread(found)
    return [
        "The same attack on both, paired by seed; positive means that the int8 victim is easier to steal. Of many "
        f"intervals one in twenty excludes 0 by chance; here they are {len(found)}.",
        f"Over all defenses and attacks the clone's accuracy differs by {over.mean:+.2f} pp on average; half of the "
        f"differences lie between {over.lower:+.2f} and {over.upper:+.2f}, all of them between {over.least:+.2f} and "
        f"{over.most:+.2f}. They are not independent: defenses whose labels agree teach top-1 the same clone.",
        difference_table(found),
    ]
