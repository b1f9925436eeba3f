"""Every cell as one row of a CSV file (RFC 4180)."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeguard.attacks.metrics import Exposure, Theft, Utility
from edgeguard.attacks.report.names import order

if TYPE_CHECKING:
    from edgeguard.attacks.evaluation.records import CellRecord

__all__ = ["COLUMNS", "cells_csv"]

_NAMES = ("digest", "grid", "victim", "defense", "pool", "attack", "student", "seed", "queries")
_RUN = ("seconds", "date", "machine", "command")
_PARTS = {"utility": Utility, "exposure": Exposure, "theft": Theft}
# In this order, whatever the records hold: names, then utility_*, exposure_*, theft_*, then the run.
COLUMNS = (
    *_NAMES,
    *(f"{part}_{field.name}" for part, kind in _PARTS.items() for field in dataclasses.fields(kind)),
    *_RUN,
    "versions",
)


def cells_csv(records: Sequence[CellRecord]) -> str:
    """One row a cell, in a stable order, with a header; lines end in CRLF.

    Shares stay shares, floats are written so that they read back exactly, and an attack without a transfer set leaves
    the columns of its exposure empty. ``versions`` is a JSON object.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for record in sorted(records, key=_key):
        parts: list[object] = []
        for part, kind in _PARTS.items():
            values = getattr(record, part)
            parts += ["" if values is None else getattr(values, field.name) for field in dataclasses.fields(kind)]
        names = [getattr(record, name) for name in _NAMES]
        run = [getattr(record, name) for name in _RUN]
        writer.writerow([*names, *parts, *run, json.dumps(dict(record.versions), sort_keys=True)])
    return text.getvalue()


def _key(record: CellRecord) -> tuple[object, ...]:
    return record.victim, record.pool, record.student, order(record.defense), record.attack, record.seed
