"""Writing a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeguard.attacks.report.cells import cells_csv
from edgeguard.attacks.report.document import sections
from edgeguard.attacks.report.markdown import markdown
from edgeguard.attacks.report.page import page
from edgeguard.attacks.report.provenance import Named
from edgeguard.attacks.report.summary import check_distinct
from edgeguard.errors import UsageError
from edgeguard.staging import write_file

if TYPE_CHECKING:
    from edgeguard.attacks.evaluation.records import CellRecord

__all__ = ["write_report"]


def write_report(records: Sequence[CellRecord], directory: Path, expected: Sequence[Named] = ()) -> tuple[Path, ...]:
    """Write ``report.html``, ``cells.csv`` and ``report.md``, each whole or not at all; older ones are replaced.

    Everything is made before anything is written: a report that cannot be made leaves an older one alone.

    :param records: of one grid, complete or not.
    :param directory: made where it is not there.
    :param expected: cells of the whole grid, so that the report names those that are missing.
    :returns: the three files.
    :raises MissingExtra: matplotlib is not installed.
    :raises UsageError: there are no records, two are of the same cell, or a file cannot be written.
    """
    check_distinct(records)
    said = sections(records, expected)
    texts = {"report.html": page(said), "cells.csv": cells_csv(records), "report.md": markdown(said)}
    _make(directory)
    for name, text in texts.items():
        write_file(directory / name, text.encode())
    return tuple(directory / name for name in texts)


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot be made: {error.strerror or error}", where=str(directory), fix="Choose another directory"
        ) from None
