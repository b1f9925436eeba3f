"""A report as one HTML file that needs nothing but itself."""

from __future__ import annotations

import html
from collections.abc import Sequence

from edgeguard.attacks.report.document import Block, Heading, Plots, Section
from edgeguard.attacks.report.heat import heat_table
from edgeguard.attacks.report.plots import accuracy_against_bits, accuracy_against_loss
from edgeguard.attacks.report.tables import Table

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --back: #fff; --line: #d0d7de; --soft: #f3f5f7; --link: #0550ae; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ed; --back: #14181d; --line: #3a424c; --soft: #1e242b; --link: #79b8ff; }
}
body { margin: 0 auto; max-width: 72rem; padding: 1rem 1.5rem 4rem; color: var(--text); background: var(--back);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); } h3 { margin-top: 1.8rem; }
p { max-width: 52rem; } a { color: var(--link); } nav a { margin-right: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.87rem; margin: 0.8rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.6rem; text-align: right; vertical-align: top;
  font-variant-numeric: tabular-nums; }
thead th { background: var(--soft); vertical-align: bottom; } .text { text-align: left; max-width: 44rem; }
.heat td { min-width: 4.5rem; text-align: center; } .heat th:first-child { text-align: left; }
.heat caption { text-align: left; } td.none { opacity: 0.6; }
svg { display: block; max-width: 54rem; width: 100%; height: auto; }
"""


def page(sections: Sequence[Section]) -> str:
    """The whole file. Every name in it is escaped, and it refers to nothing outside.

    :raises MissingExtra: matplotlib is not installed.
    """
    links = " ".join(f'<a href="#{each.name}">{html.escape(each.title.partition(":")[0])}</a>' for each in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation</title><style>{_STYLE}</style></head>\n<body><h1>Evaluation</h1>\n<nav>{links}</nav>\n"
        + "\n".join(map(_section, sections))
        + "\n</body></html>\n"
    )


def _section(section: Section) -> str:
    parts = [_block(block, f"{section.name}-{index}") for index, block in enumerate(section.blocks)]
    return "\n".join([f'<section id="{section.name}"><h2>{html.escape(section.title)}</h2>', *parts, "</section>"])


def _block(block: Block, name: str) -> str:
    if isinstance(block, Heading):
        return f"<h3>{html.escape(block.text)}</h3>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Plots):
        bits = accuracy_against_bits(block.panel, f"{name}-bits")
        without = "<p>No worst attacker has a transfer set, so that there are no bits a query.</p>"
        return "\n".join([accuracy_against_loss(block.panel, f"{name}-loss"), bits or without, heat_table(block.panel)])
    return f"<p>{html.escape(block)}</p>"


def _table(table: Table) -> str:
    head = "".join(_cell("th", cell, column < table.texts) for column, cell in enumerate(table.header))
    rows = (
        f"<tr>{''.join(_cell('td', cell, column < table.texts) for column, cell in enumerate(row))}</tr>"
        for row in table.rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>'


def _cell(tag: str, text: str, is_text: bool) -> str:
    kind = ' class="text"' if is_text else ""
    return f"<{tag}{kind}>{html.escape(text)}</{tag}>"
