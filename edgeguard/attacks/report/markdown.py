"""A report as Markdown: the same tables, for a repository."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgeguard.attacks.report.document import Block, Heading, Plots, Section
from edgeguard.attacks.report.tables import Table

__all__ = ["markdown"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|&#~])")


def markdown(sections: Sequence[Section]) -> str:
    """The whole text. Names are escaped: none becomes a link, markup or HTML."""
    lines = ["# Evaluation", ""]
    for section in sections:
        blocks = [block for block in section.blocks if not isinstance(block, Plots)]
        if any(not isinstance(block, Heading) for block in blocks):
            lines += [f"## {_escaped(section.title)}", ""]
            for block in blocks:
                lines += [*_lines(block), ""]
    return "\n".join(lines)


def _lines(block: Block) -> list[str]:
    if isinstance(block, Heading):
        return [f"### {_escaped(block.text)}"]
    if isinstance(block, Table):
        rules = ("---" if column < block.texts else "---:" for column in range(len(block.header)))
        return [_row(block.header), f"| {' | '.join(rules)} |", *map(_row, block.rows)]
    return [_escaped(block)] if isinstance(block, str) else []


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
