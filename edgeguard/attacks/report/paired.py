"""Float against int8: the same attack on both, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from edgeguard.attacks.report.estimates import Estimate, estimate
from edgeguard.attacks.report.names import twins
from edgeguard.attacks.report.summary import Group

__all__ = ["Difference", "Spread", "differences", "spread"]


@dataclass(frozen=True, slots=True)
class Difference:
    """What int8 changes of one attack.

    :param accuracy: of the clone, int8 less float, in percentage points, over the seeds that both have.
    :param fidelity: likewise.
    """

    float_victim: str
    int8_victim: str
    defense: str
    pool: str
    attack: str
    student: str
    accuracy: Estimate
    fidelity: Estimate


@dataclass(frozen=True, slots=True)
class Spread:
    """How differences of clone accuracy are distributed over defenses and attacks, in percentage points.

    :param lower: a quarter of them are below it; ``upper`` likewise above.
    """

    mean: float
    least: float
    lower: float
    upper: float
    most: float


def spread(found: Sequence[Difference]) -> Spread:
    """The distribution of the mean differences of accuracy; at least one."""
    values = [each.accuracy.mean for each in found]
    least, lower, upper, most = map(float, np.quantile(values, (0, 0.25, 0.75, 1)))
    return Spread(fmean(values), least, lower, upper, most)


def differences(found: Sequence[Group]) -> list[Difference]:
    """One a pair of groups that differ by the victim's numeric type only and share a seed, in the order of groups."""
    by_name = {(group.victim, group.defense, group.pool, group.attack, group.student): group for group in found}
    made = []
    for one, other in twins(group.victim for group in found):
        for group in found:
            partner = by_name.get((other, group.defense, group.pool, group.attack, group.student))
            if group.victim == one and partner is not None and set(group.seeds) & set(partner.seeds):
                made.append(_difference(group, partner))
    return made


def _difference(one: Group, other: Group) -> Difference:
    def paired(first: Sequence[float], second: Sequence[float]) -> Estimate:
        before = dict(zip(one.seeds, first, strict=True))
        after = dict(zip(other.seeds, second, strict=True))
        return estimate([100 * (after[seed] - before[seed]) for seed in one.seeds if seed in after])

    return Difference(
        one.victim,
        other.victim,
        one.defense,
        one.pool,
        one.attack,
        one.student,
        paired(one.accuracies, other.accuracies),
        paired(one.fidelities, other.fidelities),
    )
