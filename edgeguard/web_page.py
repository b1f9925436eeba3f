"""HTML files that need nothing but themselves: no script, no font, no address of anything outside."""

from __future__ import annotations

import html
from collections.abc import Sequence

__all__ = ["web_page", "web_table"]

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
svg { display: block; max-width: 54rem; width: 100%; height: auto; }
"""


def web_page(title: str, body: str, style: str = "") -> str:
    """A whole file.

    :param title: text, not yet escaped.
    :param body: HTML.
    :param style: CSS beside that which every page has.
    """
    name = html.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{_STYLE}{style}</style></head>\n<body><h1>{name}</h1>\n{body}\n</body></html>\n"
    )


def web_table(header: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> str:
    """A table that scrolls sideways where it is too wide.

    :param header: text, not yet escaped, as the cells of ``rows`` are.
    :param texts: how many columns, from the left, hold words; the others hold numbers.
    """
    head = "".join(_cell("th", cell, column < texts) for column, cell in enumerate(header))
    body = (f"<tr>{''.join(_cell('td', cell, column < texts) for column, cell in enumerate(row))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>{chr(10).join(body)}</tbody></table></div>'


def _cell(tag: str, text: str, is_text: bool) -> str:
    kind = ' class="text"' if is_text else ""
    return f"<{tag}{kind}>{html.escape(text)}</{tag}>"
