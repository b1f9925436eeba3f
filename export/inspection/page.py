"""An inspection as one HTML file that needs nothing but itself."""

from __future__ import annotations

import html

from edgeguard.export.inspection.columns import Rows, layer_rows, part_rows, recommendation
from edgeguard.export.inspection.drawing import drawn
from edgeguard.export.inspection.report import InspectedLayer, Inspection
from edgeguard.web_page import web_page, web_table

__all__ = ["inspection_page"]

_STYLE = """
.pair { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; flex: 1 1 24rem; max-width: 30rem; }
figcaption { font-size: 0.87rem; margin-bottom: 0.3rem; } code { font-size: 0.9em; }
"""
_BARS = (
    "Bars are as high as the logarithm of 1 + count. Outputs are those of the float network, after the activation that "
    "int8 makes a part of the layer. Dashed lines are the ends of int8's range: what lies beyond is clipped. "
    "Weights are those before rounding, where the lab has them."
)
_PARTS = (
    "Of the logits. In int8 alone: that layer, with its activation, and all else in float. In float alone: that layer, "
    "and all else as it was exported."
)


def inspection_page(found: Inspection, name: str, images: str | None) -> str:
    """The whole file. Every name in it is escaped, and it refers to nothing outside.

    :param name: of the artifact.
    :param images: what the layers were watched on, in words.
    """
    on = "" if images is None else f"<p>Watched on {html.escape(images)}.</p>"
    parts = [on, "<h2>Layers</h2>", _table(layer_rows(found))]
    parts += [f"<p>Not shown: {html.escape(note)}.</p>" for note in found.notes]
    if found.sensitivity is not None:
        parts += ["<h2>Each layer's part in int8's error</h2>", f"<p>{_PARTS}</p>"]
        parts += [f"<p>Here {html.escape(recommendation(found.sensitivity))}</p>"]
        parts += [_table(part_rows(found.sensitivity))]
    pictures = [_pictures(layer) for layer in found.layers if layer.seen is not None or layer.weights is not None]
    if pictures:
        parts += ["<h2>Values</h2>", f"<p>{_BARS}</p>", *pictures]
    return web_page(f"Layers of {name}", "\n".join(part for part in parts if part), _STYLE)


def _table(rows: Rows) -> str:
    return web_table(rows.header, rows.rows, rows.texts)


def _pictures(layer: InspectedLayer) -> str:
    name, grid, figures = layer.facts.name, layer.facts.grid, []
    if layer.seen is not None:
        seen = layer.seen
        caption = f"output: {seen.low:.4g} to {seen.high:.4g}"
        if grid is not None:
            caption += f"; int8: {grid.low:.4g} to {grid.high:.4g}"
        ends = None if grid is None else (grid.low, grid.high)
        figures.append(_figure(caption, drawn(seen.values, f"Values that {name} gives", ends)))
    if layer.weights is not None:
        values = layer.weights.values
        caption = f"weights: {values.low:.4g} to {values.high:.4g}"
        figures.append(_figure(caption, drawn(values, f"Weights of {name}")))
    return f'<h3>{html.escape(name)}</h3><div class="pair">{"".join(figures)}</div>'


def _figure(caption: str, picture: str) -> str:
    return f"<figure><figcaption>{html.escape(caption)}</figcaption>{picture}</figure>"
