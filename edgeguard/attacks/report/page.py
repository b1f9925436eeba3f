"""A report as one HTML file that needs nothing but itself."""

from __future__ import annotations

import html
from collections.abc import Sequence

from edgeguard.attacks.report.document import Block, Heading, Plots, Section
from edgeguard.attacks.report.heat import heat_table
from edgeguard.attacks.report.plots import accuracy_against_bits, accuracy_against_loss
from edgeguard.attacks.report.tables import Table
from edgeguard.web_page import web_page, web_table

__all__ = ["page"]

_STYLE = """
.heat td { min-width: 4.5rem; text-align: center; } .heat th:first-child { text-align: left; }
.heat caption { text-align: left; } td.none { opacity: 0.6; }
"""


def page(sections: Sequence[Section]) -> str:
    """The whole file. Every name in it is escaped, and it refers to nothing outside.

    :raises MissingExtra: matplotlib is not installed.
    """
    links = " ".join(f'<a href="#{each.name}">{html.escape(each.title.partition(":")[0])}</a>' for each in sections)
    body = "\n".join([f"<nav>{links}</nav>", *map(_section, sections)])
    return web_page("Evaluation", body, _STYLE)


def _section(section: Section) -> str:
    parts = [_block(block, f"{section.name}-{index}") for index, block in enumerate(section.blocks)]
    return "\n".join([f'<section id="{section.name}"><h2>{html.escape(section.title)}</h2>', *parts, "</section>"])


def _block(block: Block, name: str) -> str:
    if isinstance(block, Heading):
        return f"<h3>{html.escape(block.text)}</h3>"
    if isinstance(block, Table):
        return web_table(block.header, block.rows, block.texts)
    if isinstance(block, Plots):
        bits = accuracy_against_bits(block.panel, f"{name}-bits")
        without = "<p>No worst attacker has a transfer set, so that there are no bits a query.</p>"
        return "\n".join([accuracy_against_loss(block.panel, f"{name}-loss"), bits or without, heat_table(block.panel)])
    return f"<p>{html.escape(block)}</p>"
