"""Plots of a panel as SVG that stands within an HTML file: text stays text, and colours follow light and dark.

Colours are Okabe and Ito's, which the colour-blind tell apart (M. Okabe, K. Ito, Color Universal Design, 2008); markers
say the same once more.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgeguard.attacks.report.curves import families
from edgeguard.attacks.report.names import FLOOR, UNDEFENDED, setting
from edgeguard.attacks.report.placing import label_lines, label_points
from edgeguard.attacks.report.summary import Panel, Worst
from edgeguard.attacks.report.svg import INK, inlined
from edgeguard.extras import require

__all__ = ["accuracy_against_bits", "accuracy_against_loss"]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h")
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edgeguard",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    # Names come from a file: a dollar sign is one.
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_WORDS = {UNDEFENDED: ("undefended", "--"), FLOOR: ("label-only floor", ":")}


@dataclass(frozen=True, slots=True)
class _Curve:
    """One family: where each setting lies, and what its points are joined by.

    :param start: where the line begins before the first setting; ``None`` for points that nothing joins.
    """

    label: str
    settings: tuple[Worst, ...]
    places: tuple[float, ...]
    start: tuple[float, float] | None


def accuracy_against_loss(panel: Panel, name: str) -> str:
    """Clone accuracy of the worst attacker against what each setting costs, with the floor and the undefended clone.

    :param name: prefix of the ids in the SVG, so that several may stand in one file.
    :raises MissingExtra: matplotlib is not installed.
    """
    start = None if panel.undefended is None else (0.0, 100 * panel.undefended.accuracy.mean)
    curves = [
        _Curve(label, tuple(settings), tuple(max(0.0, worst.loss) for worst in settings), start)
        for label, settings in families(panel).items()
    ]
    return _drawn(panel, curves, "benign accuracy loss, percentage points", name)


def accuracy_against_bits(panel: Panel, name: str) -> str | None:
    """Clone accuracy of the worst attacker against the entropy of the answers that it got.

    :param name: see :func:`accuracy_against_loss`.
    :returns: ``None`` where no worst attacker has a transfer set.
    :raises MissingExtra: matplotlib is not installed.
    """
    ends = {end.defense: [end] for end in (panel.undefended, panel.floor) if end is not None}
    curves = []
    for label, settings in {**families(panel), **ends}.items():
        known = [(worst, worst.group.bits) for worst in settings if worst.group.bits is not None]
        if known:
            found, bits = zip(*known, strict=True)
            curves.append(_Curve(label, found, bits, None))
    return _drawn(panel, curves, "entropy of the answers, bits a query", name) if curves else None


def _drawn(panel: Panel, curves: Sequence[_Curve], axis: str, name: str) -> str:
    with _settings():
        # Not through pyplot, which keeps every figure and may look for a screen.
        figure = require("matplotlib.figure", "report").Figure(figsize=(8.6, 4.6))
        require("matplotlib.backends.backend_agg", "report").FigureCanvasAgg(figure)
        axes = figure.add_axes((0.08, 0.12, 0.62, 0.84))
        for index, curve in enumerate(curves):
            _draw(axes, curve, _COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)])
        ends = [end for end in (panel.undefended, panel.floor) if end is not None]
        for end in ends:
            axes.axhline(100 * end.accuracy.mean, color=INK, linestyle=_WORDS[end.defense][1], linewidth=1.2)
        axes.margins(x=0.06, y=0.12)
        axes.autoscale_view()
        axes.set_xlabel(axis)
        axes.set_ylabel("clone accuracy of the worst attacker, %")
        axes.grid(color=INK, alpha=0.12, linewidth=0.6)
        heights = [100 * end.accuracy.mean for end in ends]
        texts = [f"{_WORDS[end.defense][0]}, {height:.1f} %" for end, height in zip(ends, heights, strict=True)]
        gids = [f"line-{end.defense}" for end in ends]
        label_lines(axes, list(zip(heights, texts, gids, strict=True)), gap=0.05)
        if curves:
            # Beside the plot, away from the names of the lines.
            high = max(heights, default=0.0) > sum(axes.get_ylim()) / 2
            place = {"loc": "lower left", "bbox_to_anchor": (1.02, 0.0)} if high else {}
            axes.legend(**(place or {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0)}), borderaxespad=0.0)
        label_points(figure, axes, [point for curve in curves for point in _named(curve)])
        text = io.StringIO()
        unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=unsaid)
    return inlined(text.getvalue(), name, f"Clone accuracy of the worst attacker against {axis}: {panel.title}")


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    with require("matplotlib", "report").rc_context(_SETTINGS):
        yield


def _draw(axes: Any, curve: _Curve, colour: str, marker: str) -> None:
    heights = [100 * worst.accuracy.mean for worst in curve.settings]
    if curve.start is not None:
        places, line = [curve.start[0], *curve.places], [curve.start[1], *heights]
        axes.plot(places, line, color=colour, linewidth=1.2, alpha=0.7)
    for place, worst in zip(curve.places, curve.settings, strict=True):
        if worst.accuracy.low is not None and worst.accuracy.high is not None:
            axes.vlines(place, 100 * worst.accuracy.low, 100 * worst.accuracy.high, color=colour, alpha=0.7)
    # Labels that begin with an underscore are hidden.
    label = f" {curve.label}" if curve.label.startswith("_") else curve.label
    axes.plot(curve.places, heights, color=colour, marker=marker, markersize=7, linestyle="none", label=label)


def _named(curve: _Curve) -> list[tuple[float, float, str]]:
    return [
        (place, 100 * worst.accuracy.mean, setting(worst.defense))
        for place, worst in zip(curve.places, curve.settings, strict=True)
    ]
