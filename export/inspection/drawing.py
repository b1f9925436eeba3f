"""Histograms as SVG within an HTML page; colours follow light and dark."""

from __future__ import annotations

import html
import math

from edgeguard.export.inspection.histogram import Histogram

__all__ = ["drawn"]

_WIDTH, _HEIGHT, _FOOT, _EDGE = 420, 110, 16, 2
# Okabe and Ito's blue and vermilion, which the colour-blind tell apart.
_BARS, _ENDS = "#0072B2", "#D55E00"


def drawn(histogram: Histogram, label: str, ends: tuple[float, float] | None = None) -> str:
    """Bars as high as the logarithm of 1 + count, and where the range of int8 ends a dashed line each.

    :param label: says what it shows to those who cannot see it.
    :param ends: of the range, within the histogram's.
    """
    most = math.log1p(max(histogram.counts, default=0)) or 1.0
    width = _WIDTH / len(histogram.counts)
    bars = []
    for index, count in enumerate(histogram.counts):
        if count:
            height = max(1.0, _HEIGHT * math.log1p(count) / most)
            bars.append(f"M{index * width:.1f} {_HEIGHT}v-{height:.1f}h{width:.1f}v{height:.1f}z")
    parts = [f'<path d="{"".join(bars)}" fill="{_BARS}"/>', f'<path d="M0 {_HEIGHT}h{_WIDTH}" stroke="currentColor"/>']
    for value in ends or ():
        place = _WIDTH * _share(value, histogram)
        parts.append(f'<path d="M{place:.1f} 0v{_HEIGHT}" stroke="{_ENDS}" stroke-width="2" stroke-dasharray="5 3"/>')
    for place, anchor, value in ((0, "start", histogram.low), (_WIDTH, "end", histogram.high)):
        parts.append(
            f'<text x="{place}" y="{_HEIGHT + _FOOT - 3}" text-anchor="{anchor}" font-size="12" '
            f'fill="currentColor">{value:.4g}</text>'
        )
    # The ends of the range are often those of the histogram: their lines need room beside it.
    box = f"{-_EDGE} {-_EDGE} {_WIDTH + 2 * _EDGE} {_HEIGHT + _FOOT + 2 * _EDGE}"
    return f'<svg role="img" aria-label="{html.escape(label)}" viewBox="{box}">{"".join(parts)}</svg>'


def _share(value: float, histogram: Histogram) -> float:
    span = histogram.high - histogram.low
    return min(1.0, max(0.0, (value - histogram.low) / span)) if span > 0 else 0.0
