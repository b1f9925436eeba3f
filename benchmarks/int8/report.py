"""The tables, for a person and for a program."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.int8.figures import Difference, paired, sqnr
from benchmarks.int8.job import Spent
from benchmarks.int8.registry import OURS, REFERENCE_SETTINGS
from benchmarks.int8.rows import Row
from benchmarks.int8.subjects import Subject
from edgeguard.bench.intervals import Interval

__all__ = ["Line", "lines_of", "table", "to_json"]

Array = np.ndarray[Any, Any]

_HEADER = (
    "| quantizer | settings | top-1, % | vs ours (balanced), pp | SQNR, dB | of unseen | latency / float "
    "| seconds | MiB | |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
)


@dataclass(frozen=True)
class Line:
    """Everything measured about one row; what could not be measured is ``None``, and ``why`` says why.

    :param top1: in percent.
    :param against: top-1 accuracy beside that of our reference settings, on the same images.
    :param sqnr_unseen: over those test images only that nothing was calibrated on.
    :param latency: int8 over float.
    """

    network: str
    peer: str
    settings: str
    versions: tuple[str, ...]
    top1: float | None
    against: Difference | None
    sqnr: float | None
    sqnr_unseen: float | None
    latency: Interval | None
    spent: Spent | None
    why: str


def lines_of(
    subject: Subject, rows: Sequence[Row], exact: Array, latency: Mapping[str, Interval]
) -> tuple[float, list[Line]]:
    """The float network's top-1 accuracy in percent, and a line for each row.

    :param exact: the float network's logits over the test set.
    :param latency: by the stem of a row's place.
    """
    labels, unseen = np.load(subject.labels), subject.unseen()
    answered = {row.place.name: np.load(row.logits) for row in rows if not row.why}
    right = {name: values.argmax(axis=1) == labels for name, values in answered.items()}
    reference = right.get(f"{OURS}-{REFERENCE_SETTINGS}")
    lines = []
    for row in rows:
        name = row.place.name
        line = Line(
            *(row.network, row.peer, row.settings, row.versions),
            *(None, None, None, None, latency.get(name), row.spent, row.why),
        )
        if name in answered:
            ours = row.peer == OURS and row.settings == REFERENCE_SETTINGS
            line = replace(
                line,
                top1=100 * float(right[name].mean()),
                against=None if reference is None or ours else paired(right[name], reference),
                sqnr=sqnr(exact, answered[name]),
                sqnr_unseen=sqnr(exact[unseen], answered[name][unseen]),
            )
        lines.append(line)
    return 100 * float((exact.argmax(axis=1) == labels).mean()), lines


def table(lines: Sequence[Line]) -> str:
    """One network's rows in Markdown."""
    return "\n".join([_HEADER, *map(_in_markdown, lines)])


def to_json(lines: Mapping[str, Sequence[Line]], about: Mapping[str, Any], path: Path) -> None:
    """All that the tables show, and to more digits."""
    content = {**about, "rows": [asdict(line) for each in lines.values() for line in each]}
    path.write_text(json.dumps(content, indent=1) + "\n")


def _in_markdown(line: Line) -> str:
    against = line.against
    cells = (
        line.peer,
        line.settings,
        _number(line.top1, 2),
        "" if against is None else f"{against.mean:+.2f} ({against.low:+.2f} ... {against.high:+.2f})",
        _number(line.sqnr, 1),
        _number(line.sqnr_unseen, 1),
        "" if line.latency is None else f"{line.latency.estimate:.2f}",
        _number(None if line.spent is None else line.spent.seconds, 1),
        _number(None if line.spent is None else line.spent.mib, 0),
        line.why,
    )
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
