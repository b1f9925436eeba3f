"""A family of defenses as a curve: clone error against the benign accuracy that its settings cost.

Points are worst cases over attackers. A curve starts at the undefended victim, at no loss, and is linear between its
points. Two points at one loss make a step; where one value is asked there, it is the higher clone error: an owner
would choose that setting. A mean loss below 0 (a defense that happens to help) counts as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from edgeguard.attacks.report.estimates import Estimate, estimate
from edgeguard.attacks.report.names import FLOOR, UNDEFENDED, family
from edgeguard.attacks.report.summary import Panel, Worst

__all__ = ["LEAST_LOSS", "Area", "Areas", "area_under", "areas", "families", "value_at"]

# A family that never costs this much, in percentage points, has no curve: it would shrink the range of all others.
LEAST_LOSS = 0.1

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Area:
    """Under one curve, over the range that all curves of a panel share.

    :param error: mean clone error over the range, in percent: the area divided by the range. Its interval takes each
        seed's curve through the same attackers; it is missing where the points do not share two seeds.
    :param area: the same as an area, in percent times percentage points.
    :param incomplete: settings that fewer attackers attacked than others of the panel.
    """

    family: str
    error: Estimate
    area: float
    settings: tuple[str, ...]
    incomplete: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Areas:
    """Of one panel.

    :param reach: the range is from 0 to this loss, in percentage points.
    :param limited_by: the family that goes no further.
    :param without: families that have no curve, each with the reason.
    """

    reach: float
    limited_by: str | None
    areas: tuple[Area, ...]
    without: tuple[tuple[str, str], ...]


def families(panel: Panel) -> dict[str, list[Worst]]:
    """Worst cases of the settings of each family, by loss; neither the undefended victim nor the floor is one."""
    found: dict[str, list[Worst]] = {}
    for worst in sorted(panel.worst, key=lambda worst: worst.loss):
        if worst.defense not in (UNDEFENDED, FLOOR):
            found.setdefault(family(worst.defense), []).append(worst)
    return dict(sorted(found.items()))


def areas(panel: Panel) -> Areas | None:
    """Under the curve of each family with at least two settings, or ``None`` without an undefended victim."""
    start = panel.undefended
    if start is None:
        return None
    curves: dict[str, list[Worst]] = {}
    without: list[tuple[str, str]] = []
    for name, settings in families(panel).items():
        if len(settings) < 2:
            without.append((name, "one setting makes no curve"))
        elif settings[-1].loss < LEAST_LOSS:
            without.append((name, f"no setting costs {LEAST_LOSS} pp"))
        else:
            curves[name] = settings
    if not curves:
        return Areas(0.0, None, (), tuple(without))
    limit = min(curves, key=lambda name: curves[name][-1].loss)
    reach = curves[limit][-1].loss
    made = tuple(_area(name, start, settings, reach) for name, settings in curves.items())
    return Areas(reach, limit, tuple(sorted(made, key=lambda area: -area.error.mean)), tuple(without))


def area_under(points: Sequence[Point], reach: float) -> float:
    """Area under the lines between points, from 0 to ``reach``.

    :param points: of loss and height; the first at loss 0, the last at ``reach`` or beyond.
    :raises ValueError: they end before ``reach``.
    """
    losses, heights = _sorted(points)
    inside = losses < reach
    end = value_at(points, reach)
    if end is None:
        raise ValueError(f"the points end before {reach}")
    widths = np.diff(np.append(losses[inside], reach))
    ends = np.append(heights[inside], end)
    return float((widths * (ends[1:] + ends[:-1]) / 2).sum())


def value_at(points: Sequence[Point], loss: float) -> float | None:
    """The height of the lines between points at a loss, or ``None`` outside of the points' range."""
    losses, heights = _sorted(points)
    loss = max(0.0, loss)
    if not losses[0] <= loss <= losses[-1]:
        return None
    here = heights[losses == loss]
    return float(here.max() if len(here) else np.interp(loss, losses, heights))


def _sorted(points: Sequence[Point]) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], ...]:
    # Stable, so that the start of a curve stays the first of the points at no loss.
    ordered = sorted(((max(0.0, loss), height) for loss, height in points), key=lambda point: point[0])
    losses, heights = zip(*ordered, strict=True)
    return np.asarray(losses, np.float64), np.asarray(heights, np.float64)


def _area(name: str, start: Worst, settings: Sequence[Worst], reach: float) -> Area:
    points = [start, *settings]
    losses = [0.0, *(worst.loss for worst in settings)]

    def under(accuracies: Sequence[float]) -> float:
        heights = [100 * (1 - accuracy) for accuracy in accuracies]
        return area_under(list(zip(losses, heights, strict=True)), reach)

    of_seed = [dict(zip(worst.group.seeds, worst.group.accuracies, strict=True)) for worst in points]
    same = all(found.keys() == of_seed[0].keys() for found in of_seed)
    # The area is linear in the heights: the mean over seeds is the area under the means.
    values = [under([found[seed] for found in of_seed]) for seed in of_seed[0]] if same else []
    whole = fmean(values) if values else under([worst.accuracy.mean for worst in points])
    error = estimate([value / reach for value in values]) if values else Estimate(whole / reach, None, None, 0)
    missing = tuple(worst.defense for worst in points if worst.missing)
    return Area(name, error, whole, tuple(worst.defense for worst in settings), missing)
