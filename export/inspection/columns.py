"""An inspection as rows of text, for a terminal and for a page alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeguard.export.fidelity import Fidelity
from edgeguard.export.inspection.report import InspectedLayer, Inspection
from edgeguard.export.sensitivity import Sensitivity, keep_float_text

__all__ = ["Rows", "layer_rows", "part_rows", "recommendation"]


@dataclass(frozen=True, slots=True)
class Rows:
    """A table.

    :param texts: how many columns, from the left, hold words; the others hold numbers.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int


def layer_rows(found: Inspection) -> Rows:
    """Each layer. Columns that nothing is known for are left out."""
    header = (
        "layer",
        "kernel",
        "type",
        "MACs",
        "weights",
        "their SQNR",
        "output",
        "scale",
        "zero",
        "its SQNR",
        "clipped",
    )
    rows = [_layer(each) for each in found.layers]
    # Of the columns that take a lab or images.
    shown = [column for column in range(len(header)) if column < 5 or any(row[column] for row in rows)]
    return Rows(
        tuple(header[column] for column in shown), tuple(tuple(row[column] for column in shown) for row in rows), 3
    )


def part_rows(found: Sensitivity) -> Rows:
    """Each layer's part in int8's error, the largest first."""
    header = ("layer", "operator", "in int8 alone: SQNR", "KL", "agreement", "in float alone: SQNR", "KL", "agreement")
    rows = [(each.layer, each.kind, *_fidelity(each.int8_alone), *_fidelity(each.float_alone)) for each in found.layers]
    return Rows(header, (*rows, ("(all in int8)", "", "", "", "", *_fidelity(found.quantized))), 2)


def recommendation(found: Sensitivity) -> str:
    """What to do with it: ready options for ``edgeguard export``."""
    layers = found.keep_float
    if not layers:
        return "no layer stands out"
    those, make = ("the first one", "makes") if len(layers) == 1 else (f"the first {len(layers)} of them", "make")
    text = keep_float_text((*found.kept, *layers))
    return f"{those} {make} at least half of the error; to leave what does in float, export with: {text}"


def _layer(layer: InspectedLayer) -> tuple[str, ...]:
    facts, weights, seen, grid = layer.facts, layer.weights, layer.seen, layer.facts.grid
    low, high = (grid.low, grid.high) if grid is not None else (None, None)
    if grid is None and seen is not None:
        low, high = seen.low, seen.high
    return (
        facts.name,
        facts.kernel or "?",
        {True: "int8", False: "float", None: "?"}[facts.integer],
        "?" if facts.macs is None else f"{facts.macs:,}",
        f"{facts.weight_bytes / 1024:,.1f} KiB",
        "" if weights is None else _decibels(weights.sqnr_db, weights.compared and facts.integer is False),
        "" if low is None or high is None else f"{low:.4g} .. {high:.4g}",
        "" if grid is None else f"{grid.scale:.4g}",
        "" if grid is None else str(grid.zero_point),
        "" if seen is None else _decibels(seen.sqnr_db, False),
        "" if seen is None or seen.clipped is None else f"{seen.clipped:.3%}",
    )


def _fidelity(found: Fidelity | None) -> Sequence[str]:
    if found is None:
        return "", "", ""
    return _decibels(found.sqnr_db, True), f"{found.kl:.2g}", f"{found.agreement:.1%}"


def _decibels(value: float | None, exact: bool) -> str:
    """:param exact: whether nothing in place of a number means that nothing differs."""
    if value is None:
        return "exact" if exact else ""
    return f"{value:.1f} dB"
