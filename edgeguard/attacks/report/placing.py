"""Texts of a plot that do not lie on each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import hypot
from typing import Any

from edgeguard.attacks.report.svg import INK

__all__ = ["label_lines", "label_points", "spread"]

# Points from a mark to its text, in the order in which they are tried, with the text's alignment.
_OFFSETS = (
    ((7, 5), "left", "bottom"),
    ((7, -5), "left", "top"),
    ((-7, 5), "right", "bottom"),
    ((-7, -5), "right", "top"),
    ((0, 9), "center", "bottom"),
    ((0, -9), "center", "top"),
)
# Points nearer than this, in pixels, stay without a name: nobody could tell whose it is.
_CROWD = 11


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Heights moved apart until no two are nearer than ``gap``, in their order.

    :param heights: in any order.
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    moved = list(heights)
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + gap)
    return moved


def label_lines(axes: Any, lines: Sequence[tuple[float, str, str]], gap: float) -> None:
    """Name horizontal lines at the right edge of a plot.

    :param lines: of height, text and gid.
    :param gap: between two texts at least, as a share of the plot's height.
    """
    low, high = axes.get_ylim()
    places = spread([(height - low) / (high - low) for height, _, _ in lines], gap)
    for place, (height, text, gid) in zip(places, lines, strict=True):
        axes.annotate(
            text,
            xy=(1.0, (height - low) / (high - low)),
            xytext=(1.03, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
            gid=gid,
            annotation_clip=False,
        )


def label_points(figure: Any, axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Name points beside them, where there is room; a point in a crowd stays without a name.

    :param points: of place, height and text.
    """
    renderer = figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    marks = [axes.transData.transform((place, height)) for place, height, _ in points]
    taken: list[Any] = []
    for (place, height, text), mine in zip(points, marks, strict=True):
        others = [mark for mark in marks if mark is not mine]
        crowded = any(hypot(*(mark - mine)) < _CROWD for mark in others)
        for offset, across, up in _OFFSETS if text and not crowded else ():
            label = axes.annotate(
                text,
                (place, height),
                xytext=offset,
                textcoords="offset points",
                ha=across,
                va=up,
                fontsize="x-small",
            )
            box = label.get_window_extent(renderer).padded(2)
            free = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if free and not any(map(box.overlaps, taken)) and not any(box.contains(*mark) for mark in others):
                taken.append(box)
                break
            label.remove()
