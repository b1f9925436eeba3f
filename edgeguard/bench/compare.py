"""Whether a new measurement is worse than an old one, such that noise seldom says so.

**Rule.** A *regression* is a quantity that grew by more than the threshold and whose interval lies wholly above 1. An
*improvement* is the same the other way round. *No change* means that the whole interval lies within the threshold, and
everything else is *unclear*: nobody knows until more processes are measured.

**Interval.** Processes are the independent units: the runs of one process share its memory layout. The ratio new/old
is that of the geometric means over processes; its interval is Welch's t on the logarithms of the processes' values
(B. L. Welch, Biometrika 34, 1947), with the degrees of freedom rounded down, for two runs need not be equally noisy. A
comparison asks about a dozen quantities at once. At 95 % each, more than one in five comparisons of equal things
would find something; so the intervals are widened (Bonferroni) until the probability that *any* of them lies above 1
by chance is 1 %. In simulations of two equal runs of 5 to 20 processes with noise from 0.5 % to 20 % (normal, heavy
tails, a process in ten far slower, two memory layouts), at most 0.7 % of comparisons alarm at a threshold of 5 %; see
``tests/bench/test_compare.py``. Fewer than 5 processes give no judgement of times: where processes come in two kinds,
three may be of one kind by luck, and agree perfectly.

What this cannot see is a machine that is slower today than it was yesterday in every process. The threshold is there
for that, and ratios within a result are: both of their variants ran on the same machine in the same minute. A ratio
is therefore judged on its own, also where it grew because its denominator became faster.

**Memory** is judged by the same rule, as the peak of the whole process: what counts is whether it fits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, variance
from typing import Literal

from edgeguard.bench.compare_context import Difference, check_comparable, differences
from edgeguard.bench.compare_recording import UNITS, Quantity, Recording, Series
from edgeguard.bench.intervals import Interval
from edgeguard.bench.student import t_quantile
from edgeguard.errors import InvalidMeasurement, UsageError

__all__ = ["FALSE_ALARMS", "Change", "Comparison", "Outcome", "compare", "outcome", "welch_interval"]

# Probability that a comparison of equal things finds any interval above 1.
FALSE_ALARMS = 0.01
# Below, a quantity is not judged. Memory and instructions repeat where times do not.
_FEWEST: dict[Quantity, int] = {
    "time": 5,
    "ratio": 5,
    "count": 5,
    "memory": 2,
    "instructions": 2,
    "instruction ratio": 2,
}

Outcome = Literal["regression", "improvement", "unclear", "no change", "too few processes"]


@dataclass(frozen=True, slots=True)
class Change:
    """One quantity that both measurements have.

    :param old: geometric mean over processes, in the quantity's unit; ``new`` likewise.
    :param ratio: new over old.
    :param interval: of the ratio; ``None`` where either side has too few processes.
    """

    name: str
    quantity: Quantity
    old: float
    new: float
    ratio: float
    interval: Interval | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two measurements side by side.

    :param threshold: as a share: 0.05 for 5 %.
    :param ignored: decisive differences that were ignored; ``told``: others.
    :param only_old: what only the old one measured, as ``time of float``.
    """

    threshold: float
    ignored: tuple[Difference, ...]
    told: tuple[Difference, ...]
    changes: tuple[Change, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]

    @property
    def regressions(self) -> tuple[Change, ...]:
        """What became worse beyond the threshold."""
        return tuple(change for change in self.changes if change.outcome == "regression")


def compare(old: Recording, new: Recording, *, threshold: float = 0.05, ignored: Sequence[str] = ()) -> Comparison:
    """Compare everything that both measured.

    :param threshold: as a share, at least 0.
    :param ignored: names of decisive fields that may differ.
    :raises UsageError: they cannot be compared: different programs, conditions or units, or nothing in common.
    :raises InvalidMeasurement: no quantity was measured in enough processes on both sides.
    """
    if old.kind != new.kind:
        raise UsageError(
            f"{old.where} was written by {old.kind} and {new.where} by {new.kind}: how they measured differs",
            fix="Compare two of the same kind; edgeguard bench --pyperf writes the latter",
        )
    set_aside = check_comparable(old.context, new.context, ignored)
    before = {(entry.name, entry.quantity): entry for entry in old.series}
    after = {(entry.name, entry.quantity): entry for entry in new.series}
    common = [key for key in before if key in after]
    only_old, only_new = ([key for key in one if key not in other] for one, other in ((before, after), (after, before)))
    if old.kind == "pyperf":
        _check_units(only_old, only_new)
    if not common:
        raise UsageError(f"{old.where} and {new.where} have nothing in common", fix=_inventory(before, after))
    pairs = [(before[key], after[key]) for key in common]
    judged = sum(_enough(first, second) for first, second in pairs)
    if not judged:
        raise InvalidMeasurement(
            "nothing was measured in enough processes on both sides, so that noise cannot be told from change",
            where=f"{old.where}, {new.where}",
            fix=f"Measure in at least {_FEWEST['time']} processes",
        )
    confidence = 1 - 2 * FALSE_ALARMS / judged
    return Comparison(
        threshold=threshold,
        ignored=set_aside,
        told=differences(old.context.told, new.context.told),
        changes=tuple(_change(first, second, threshold, confidence) for first, second in pairs),
        only_old=tuple(f"{quantity} of {name}" for name, quantity in only_old),
        only_new=tuple(f"{quantity} of {name}" for name, quantity in only_new),
    )


def welch_interval(old: Sequence[float], new: Sequence[float], confidence: float) -> Interval | None:
    """The ratio new/old of geometric means, or ``None`` where a side has fewer than two values.

    :param old: one positive value per process; ``new`` likewise.
    :param confidence: two-sided.
    """
    if min(len(old), len(new)) < 2:
        return None
    logs = [[math.log(value) for value in values] for values in (old, new)]
    centre = fmean(logs[1]) - fmean(logs[0])
    # Share of each side in the variance of the difference, and Welch-Satterthwaite's degrees of freedom.
    first, second = (variance(values) / len(values) for values in logs)
    error = math.sqrt(first + second)
    if error == 0:
        reach = 0.0  # counts may repeat exactly
    else:
        # As shares: squares of tiny variances would vanish.
        shares = first / (first + second), second / (first + second)
        freedom = 1 / sum(share**2 / (len(values) - 1) for share, values in zip(shares, logs, strict=True))
        reach = _quantile((1 + confidence) / 2, max(1, math.floor(freedom))) * error
    return Interval(math.exp(centre), math.exp(centre - reach), math.exp(centre + reach), confidence)


def outcome(interval: Interval, threshold: float) -> Outcome:
    """What the module's rule makes of an interval."""
    most, least = 1 + threshold, 1 / (1 + threshold)
    if interval.estimate > most and interval.low > 1:
        return "regression"
    if interval.estimate < least and interval.high < 1:
        return "improvement"
    return "no change" if least <= interval.low and interval.high <= most else "unclear"


def _enough(old: Series, new: Series) -> bool:
    return min(len(old.values), len(new.values)) >= _FEWEST[old.quantity]


@cache
def _quantile(probability: float, freedom: int) -> float:
    return t_quantile(probability, freedom)


def _change(old: Series, new: Series, threshold: float, confidence: float) -> Change:
    before, after = (math.exp(fmean(map(math.log, series.values))) for series in (old, new))
    interval = welch_interval(old.values, new.values, confidence) if _enough(old, new) else None
    found: Outcome = "too few processes" if interval is None else outcome(interval, threshold)
    return Change(old.name, old.quantity, before, after, after / before, interval, found)


def _check_units(only_old: Sequence[tuple[str, Quantity]], only_new: Sequence[tuple[str, Quantity]]) -> None:
    """A benchmark of pyperf is one quantity: the same name in another unit is another benchmark."""
    units = dict(only_new)
    for name, quantity in only_old:
        if name in units:
            raise UsageError(
                f"the unit of {name} differs: {UNITS[quantity]} -> {UNITS[units[name]]}",
                fix="Rename one of the two benchmarks",
            )


def _inventory(before: dict[tuple[str, Quantity], Series], after: dict[tuple[str, Quantity], Series]) -> str:
    old, new = (", ".join(f"{quantity} of {name}" for name, quantity in found) for found in (before, after))
    return f"The first has {old or 'nothing'}; the second {new or 'nothing'}"
